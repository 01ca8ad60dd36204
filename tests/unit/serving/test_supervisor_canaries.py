"""What the supervisor leans on in BentoML, circus and uvicorn: first to fail after an upgrade."""

import inspect

import bentoml.serving
import circus.arbiter
import circus.controller
import circus.sighandler
import circus.sockets
import circus.watcher
import uvicorn.server
from _bentoml_impl.server import serving
from circus.exc import ConflictError
from circus.util import synchronized

from ekiben.serving.bento_service import Endpoints
from ekiben.serving.supervisor import API_SOCKET


def test_bentoml_calls_deployment_hooks_before_it_makes_its_watchers() -> None:
    source = inspect.getsource(serving.serve_http)

    assert source.index("server_on_deployment(svc)") < source.index("create_watcher(\n")
    hook = Endpoints.look_after_workers
    assert getattr(hook, "__bentoml_deployment_hook__", False)
    assert '"__bentoml_deployment_hook__"' in inspect.getsource(
        serving.server_on_deployment
    )


def test_bentoml_looks_for_the_watcher_where_we_put_ours() -> None:
    source = inspect.getsource(bentoml.serving.create_watcher)

    assert "from circus.watcher import Watcher" in source
    for wish in ("graceful_timeout=", "respawn=not running_inside_container()"):
        assert wish in source


def test_the_door_has_the_name_and_the_method_that_we_expect() -> None:
    assert serving.API_SERVER_NAME == API_SOCKET
    source = inspect.getsource(circus.sockets.CircusSockets.bind_and_listen_all)
    assert "sock.bind_and_listen()" in source


def test_circus_has_the_hooks_and_lets_system_exit_through() -> None:
    source = inspect.getsource(circus.watcher.Watcher)

    for hook in ("before_start", "after_spawn", "after_reap", "after_stop"):
        assert hook in source
    assert "except Exception as error" in inspect.getsource(
        circus.watcher.Watcher.call_hook
    )
    assert "ConflictError" in inspect.getsource(synchronized)
    assert issubclass(ConflictError, Exception)


def test_circus_can_be_made_to_look_and_to_stop() -> None:
    assert callable(circus.arbiter.Arbiter.manage_watchers)
    assert callable(circus.arbiter.Arbiter.stop)


def test_circus_quits_for_a_signal_where_we_put_ours() -> None:
    handler = circus.sighandler.SysHandler

    for name in ("handle_term", "handle_int"):
        assert "self.quit()" in inspect.getsource(getattr(handler, name))
    assert "SysHandler(self)" in inspect.getsource(circus.controller.Controller)


def test_uvicorn_sets_its_handlers_before_the_application_starts() -> None:
    serve = inspect.getsource(uvicorn.server.Server.serve)
    assert "with self.capture_signals():" in serve
    assert "signal.signal(sig, self.handle_exit)" in inspect.getsource(
        uvicorn.server.Server.capture_signals
    )
