"""`use_engine`: from now on in this thread, or for a block in this thread and task; entered and left in any order."""

from __future__ import annotations

import asyncio
import builtins
import importlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

import segkit
from segkit import engine, layers, use_engine

state = sys.modules["segkit.engine"]  # `segkit.engine` itself is the function


def now() -> str:
    return {segkit.native: "native", segkit.ops: "scratch"}[engine()]


@pytest.fixture(autouse=True)
def native_before_and_after() -> Iterator[None]:
    assert now() == "native" and not state._any_block
    yield
    assert not state._any_block and not state._blocks.get(), "a block was left open"
    use_engine("native")


def elsewhere(call: Callable[[], object]) -> object:
    """What a new thread finds."""
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(call()))
    thread.start()
    thread.join()
    return found[0]


def test_a_statement_holds_from_now_on_in_this_thread() -> None:
    use_engine("scratch")
    assert (now(), elsewhere(now)) == ("scratch", "native")
    assert elsewhere(lambda: (use_engine("scratch"), now())[1]) == "scratch"
    use_engine("native")
    assert now() == "native"


def test_a_block_ends_with_what_was_before() -> None:
    with use_engine("scratch"):
        assert (now(), elsewhere(now)) == ("scratch", "native")
        with use_engine("native"):
            assert now() == "native"
        assert now() == "scratch"
    assert now() == "native"
    use_engine("scratch")
    with use_engine("native"):
        assert now() == "native"
    assert now() == "scratch"
    with use_engine("scratch"):
        pass
    assert now() == "scratch"


def test_a_statement_inside_a_block_holds_until_that_ends() -> None:
    with use_engine("scratch"):
        use_engine("native")
        assert now() == "native"
        with use_engine("scratch"):
            assert now() == "scratch"
        assert now() == "native"
    assert now() == "native"
    with use_engine("native"):
        use_engine("scratch")
    assert now() == "native"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, GeneratorExit])
def test_a_block_ends_after_an_exception_too(error: type[BaseException]) -> None:
    with pytest.raises(error), use_engine("scratch"):
        raise error
    assert now() == "native"


def test_one_object_is_entered_again_and_again() -> None:
    scratch, native = use_engine("scratch"), use_engine("native")
    assert now() == "native"
    for _ in range(3):
        with scratch:
            with native, scratch, scratch:
                assert now() == "scratch"
            assert now() == "scratch"
            with native:
                assert (now(), elsewhere(now)) == ("native", "native")
            assert now() == "scratch"
        assert now() == "native"


def test_an_object_that_becomes_a_block_was_no_statement() -> None:
    scratch = use_engine("scratch")
    assert now() == "scratch"
    with scratch:
        assert now() == "scratch"
    assert now() == "native"
    objects = [use_engine(name) for name in ("scratch", "native", "scratch")]
    for place in (1, 0, 2):
        assert now() == "scratch"
        with objects[place]:
            assert now() == objects[place].name
    assert now() == "native"


def test_statements_do_not_pile_up() -> None:
    kept = [use_engine("native"), use_engine("scratch")]
    for _ in range(100):
        use_engine("scratch")
    assert len(state._level().choices) <= 2
    with kept[1], kept[0]:
        pass
    assert now() == "scratch"


def test_threads_share_an_object_and_do_not_see_each_other() -> None:
    scratch, native = use_engine("scratch"), use_engine("native")
    together, seen = threading.Barrier(8, timeout=30), []

    def work(number: int) -> None:
        own, other = (scratch, native) if number % 2 else (native, scratch)
        for _ in range(20):
            with own:
                together.wait()
                found = [now()]
                with other:
                    together.wait()
                    found.append(now())
                together.wait()
                found.append(now())
            seen.append((found, now()) == ([own.name, other.name, own.name], "native"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 160 and all(seen)


def test_tasks_take_turns_and_keep_their_own() -> None:
    scratch, native = use_engine("scratch"), use_engine("native")

    async def task(block: use_engine, pauses: int) -> list[str]:
        found = [now()]
        with block:
            for _ in range(pauses):
                await asyncio.sleep(0)
                found.append(now())
        return [*found, now()]

    async def main() -> None:
        for before in (native, scratch):
            with before:  # what a task starts with
                answers = await asyncio.gather(task(scratch, 3), task(native, 3), task(scratch, 4))
            expected = [(scratch, 3), (native, 3), (scratch, 4)]
            assert answers == [[before.name, *[own.name] * n, before.name] for own, n in expected]
            assert now() == "native"

    asyncio.run(main())


def test_tasks_share_the_statement_of_their_thread() -> None:
    async def main() -> list[str]:
        async def say() -> None:
            use_engine("scratch")

        await asyncio.create_task(say())
        return [now(), await asyncio.to_thread(now)]

    assert asyncio.run(main()) == ["scratch", "native"]
    assert now() == "scratch"


def test_blocks_of_generators_end_in_any_order() -> None:
    """A paused generator's block is still open, for its caller too; its end removes that block and no other."""

    def pausing(name: str) -> Iterator[str]:
        with use_engine(name):
            yield now()

    first, second = pausing("scratch"), pausing("native")
    assert (next(first), now(), next(second), now()) == ("scratch", "scratch", "native", "native")
    first.close()
    assert now() == "native"
    with use_engine("scratch"):
        second.close()
        assert now() == "scratch"
    assert now() == "native"


def test_the_cells_of_a_notebook_share_a_statement() -> None:
    """Whatever context the kernel runs each cell in; a block ends with its cell."""
    cells = [
        'import segkit\nsegkit.use_engine("scratch")\nsegkit.engine().__name__',
        'with segkit.use_engine("native"):\n    inside = segkit.engine().__name__\ninside, segkit.engine().__name__',
        'segkit.use_engine("native")\nsegkit.engine().__name__',
        "segkit.engine().__name__",
    ]
    book = new_notebook(cells=[new_code_cell(cell) for cell in cells])
    NotebookClient(book, timeout=60, kernel_name="python3").execute()
    answers = [cell.outputs[-1].data["text/plain"] for cell in book.cells]
    assert answers == ["'segkit.ops'", "('segkit.native', 'segkit.ops')", "'segkit.native'", "'segkit.native'"]


def test_what_is_no_engine() -> None:
    with pytest.raises(ValueError, match=r"use_engine got 'fast'; the engines are 'scratch' and 'native'"):
        use_engine("fast")
    assert now() == "native"


def test_importing_segkit_loads_no_torch_and_operators_no_pictures() -> None:
    code = (
        "import sys, segkit; assert 'torch' not in sys.modules; segkit.use_engine('scratch'); segkit.engine(); "
        "import segkit.layers; assert not {'torchvision', 'matplotlib', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=state.__file__.rsplit("segkit", 1)[0])


def test_a_forward_pass_imports_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x = layers.Conv2d(2, 3, 3).requires_grad_(False), torch.randn(1, 2, 5, 5)
    imported: list[str] = []

    def run() -> None:
        for name in ("native", "scratch"):
            with use_engine(name):
                layer(x)

    original = builtins.__import__

    def noted(name: str, *others: Any, **named: Any) -> Any:
        imported.append(name)
        return original(name, *others, **named)

    with monkeypatch.context() as patch:
        patch.setattr(importlib, "import_module", noted)
        patch.setattr(builtins, "__import__", noted)
        run()
    assert not [name for name in imported if name.startswith("segkit")], "torch's own imports are its own"


def test_without_a_block_no_context_variable_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch.compile before 2.14 cannot trace one: there a model compiles whole as long as no block is open."""

    class Unreadable:
        def get(self) -> None:
            raise AssertionError("read")

    monkeypatch.setattr(state, "_blocks", Unreadable())
    assert now() == "native"
    monkeypatch.undo()


def test_a_compiled_layer_follows_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled under one engine, called under another, by a statement, a block and in another thread."""
    called: list[str] = []
    for module in (segkit.native, segkit.ops):
        real = module.conv2d

        def spy(*args: object, real: Callable = real, module: object = module) -> torch.Tensor:
            called.append(module.__name__)  # type: ignore[attr-defined]
            return real(*args)

        monkeypatch.setattr(module, "conv2d", torch.compiler.disable(spy))
    layer, x = layers.Conv2d(2, 3, 3).requires_grad_(False), torch.randn(1, 2, 5, 5)
    torch._dynamo.reset()
    compiled = torch.compile(layer, backend="eager")
    compiled(x)
    with use_engine("scratch"):
        compiled(x)
        elsewhere(lambda: compiled(x))
    compiled(x)
    use_engine("scratch")
    compiled(x)
    assert called == [f"segkit.{name}" for name in ("native", "ops", "native", "native", "ops")]
