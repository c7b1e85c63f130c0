"""The pipeline: six stages, each of which rests on the one before it. Read this file first.

What a stage computes is in ``compute.py``, how every stage is run and its result kept in ``stage.py``. ``packages`` are
those (or single modules) whose source decides the result: where a line of them changes, the stage is computed
again.

Two steps are optional. ``join`` stands between ``ingest`` and ``train`` where a drop is judged together with published
versions of its dataset. The leave-out retraining (``leave_out.py``) is no stage: ``cluster`` asks for it where its
verdict is in doubt. Several inputs or labels of a drop are judged each by itself, then together (``several.py``).
"""

from telltale_core.digest import digest_of
from telltale_core.drop import DropConfig
from telltale_core.proxy import ProxyConfig
from telltale_core.publish import PublishConfig
from telltale_core.report import ReportConfig
from telltale_core.spectrum import SpectrumConfig
from telltale_core.stages import compute, history
from telltale_core.stages.sources import source_key
from telltale_core.stages.stage import Stage
from telltale_core.verdict import VerdictConfig

ingest = Stage(
    name="ingest",
    settings="drop",
    config=DropConfig,
    upstream_key=source_key,
    packages=("drop", "modality"),
    folder="drops",
    record="manifest.json",
    by_content=True,
    compute=compute.ingest,
)
join = Stage(  # optional
    name="join",
    settings="history",
    config=history.JoinConfig,
    rests_on=(ingest,),
    packages=("drop", "modality"),
    folder="joined",
    record="manifest.json",
    compute=history.join,
)
train = Stage(
    name="train",
    settings="proxy",
    config=ProxyConfig,
    deciding=ProxyConfig.recipe,  # not until when, nor within how much memory
    rests_on=(ingest, join),
    packages=("proxy", "losslog", "modality"),
    folder="train",
    record="train.json",
    resumes=True,
    compute=compute.train,
)
spectrum = Stage(
    name="spectrum",
    settings="spectrum",
    config=SpectrumConfig,
    rests_on=(train,),
    packages=("spectrum",),
    folder="spectrum",
    record="spectrum.json",
    compute=compute.spectrum,
)
cluster = Stage(
    name="cluster",
    settings="verdict",
    config=VerdictConfig,
    rests_on=(spectrum,),
    packages=("verdict", "drop/grouping", "proxy", "modality"),
    folder="verdict",
    record="verdict.json",
    compute=compute.cluster,
)
report = Stage(
    name="report",
    settings="report",
    config=ReportConfig,
    upstream_key=lambda upstream, _config: digest_of(upstream),  # it shows all of it, names too
    rests_on=(cluster,),
    packages=("report", "modality", "display"),
    folder="report",
    record="report.json",
    compute=compute.report,
)
publish = Stage(  # without a folder: its result lies in the destination, under the run key
    name="publish",
    settings="publish",
    config=PublishConfig,
    rests_on=(report,),
    packages=compute.DECIDING,
    compute=compute.publish,
)

PIPELINE = (ingest, train, spectrum, cluster, report, publish)
FOLDERS = frozenset({"ingest", "leave-out", "look", *(stage.folder for stage in (*PIPELINE, join) if stage.folder)})
"""Where results lie in a work area, each below its key; of a source that was read, a note.

``look`` is of earlier releases.
"""
STAGES = {stage.name: stage for stage in (*PIPELINE, join)}
