"""moto's S3, IAM and SQS as a process: it prints its port, and serves 127.0.0.1 as long as its standard input is open.

So it ends with the tests that started it, however these end.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server


class _Quiet(MotoRequestHandler):
    def log(self, *args: Any) -> None:
        pass


def main() -> None:
    """Writes go one at a time: moto's check and set are two steps, S3's are one."""
    app = DomainDispatcherApplication(create_backend_app)
    one_at_a_time = threading.Lock()

    def gate(environ: Any, start_response: Any) -> Any:
        if environ["REQUEST_METHOD"] in {"PUT", "POST"} and "/sqs/" not in environ.get("HTTP_AUTHORIZATION", ""):
            with one_at_a_time:
                return app(environ, start_response)
        return app(environ, start_response)

    server = make_server("127.0.0.1", 0, gate, threaded=True, request_handler=_Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
