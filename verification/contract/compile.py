"""Compile draws.vy into draws.json: `python -m verification.contract.compile`. Development only, needs vyper."""

import json
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import vyper
from vyper.compiler import compile_code
from vyper.compiler.settings import OptimizationLevel, Settings

HERE = Path(__file__).parent
SOURCE, ARTEFACT = HERE / "draws.vy", HERE / "draws.json"
EVM_VERSION, OPTIMIZE = "prague", OptimizationLevel.GAS


def compile_source() -> dict[str, Any]:
    """Compile the present source; the same source, compiler and settings give the same bytes."""
    source = SOURCE.read_text()
    output = compile_code(
        source,
        output_formats=["abi", "bytecode", "bytecode_runtime", "layout"],
        settings=Settings(evm_version=EVM_VERSION, optimize=OPTIMIZE),
        no_bytecode_metadata=True,  # which would contain a hash of paths
    )
    runtime = bytes.fromhex(output["bytecode_runtime"].removeprefix("0x"))
    return {
        "abi": output["abi"],
        "bytecode": output["bytecode"],
        "runtime": output["bytecode_runtime"],
        "runtime_bytes": len(runtime),
        "runtime_sha256": sha256(runtime).hexdigest(),
        "layout": output["layout"],
        "compiler": f"vyper {vyper.__version__}",
        "settings": {"evm_version": EVM_VERSION, "optimize": str(OPTIMIZE), "bytecode_metadata": False},
        "source_sha256": sha256(source.encode()).hexdigest(),
    }


def as_text(artefact: dict[str, Any]) -> str:
    return json.dumps(artefact, indent=1) + "\n"


if __name__ == "__main__":
    ARTEFACT.write_text(as_text(compile_source()))
    sys.stdout.write(f"{ARTEFACT.name} written\n")
