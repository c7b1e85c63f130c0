"""What things are called on a Prefect server: said once, for what registers them, looks for them and uses them."""

from __future__ import annotations

CPU_POOL, GPU_POOL = "cpu", "gpu"
WATCH_QUEUE, DEFAULT_QUEUE = "watch", "default"
DATASET_QUEUE = "dataset-"  # of the pool cpu, and the dataset's name: its drops take turns with the others'
CLEANSE = "cleanse/cleanse"
TRAIN = "train-proxy/train-proxy"
SWEEP = "sweep/sweep"
RECONCILE = "reconcile/reconcile"
ARRIVAL = "arrival/arrival"
CHECKUP = "checkup/checkup"
TIDY = "tidy/tidy"
VERIFY = "verify-all/verify-all"
DEPLOYMENTS = (CLEANSE, TRAIN, SWEEP, RECONCILE, ARRIVAL, CHECKUP, TIDY, VERIFY)

RESULTS_BLOCK = "telltale-results"
LOST_RUNS = "telltale: runs whose heartbeat is lost are crashed"
CRASHED_RUNS = "telltale: a crashed run is repaired"
LANDED_DROPS = "telltale: a landed drop is cleansed"
TRIGGERS = (CRASHED_RUNS, LANDED_DROPS)  # automations that belong to a deployment
AUTOMATIONS = (LOST_RUNS, *TRIGGERS)

GAVE_UP = "GaveUp"  # how a run ends that crashed too often to be started again: people are told of that alone
PROBLEMS, SAME_PROBLEMS = "Problems", "SameProblems"  # how a checkup ends: people are told of the former

STARTED_EVENT = "telltale.drop.started"  # told by us once a drop's run stands
REFUSED_EVENT = "telltale.drop.refused"  # told once of what lies in the inbox and is not taken, with the cure
ALIVE_EVENT = "telltale.alive"  # told by bridges and workers: payload {"kind", "name", "prefect", "telltale"}
LANDED_EVENT = "telltale.drop.landed"  # told by others: payload {"dataset": ..., "name": ...}; starts the drop, once

ALIVE_EVERY_S = 20.0
SEEN_WITHIN_S = 60.0  # a bridge or worker that was not heard of for so long is away
RUNS_KEPT_DAYS = 90  # the server's own setting, see infra/: a run holds the idempotency key of its drop
OLD_DROP_DAYS = 60.0  # a drop of that age is started by nobody: its run may be gone, and with it the key
WORK_KEPT_DAYS = 60.0
HEARTBEAT_S = 30  # the least that Prefect allows
LOST_AFTER_S = 100  # more than three heartbeats
SCALE_UP_S = 900  # a GPU node may have to be started for a run; after Prefect's 60 s the run would be crashed
PENDING_S = 600  # about to start for so long counts as lost, where no node has to be started
