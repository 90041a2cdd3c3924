"""What a run seals when it ends, so that nothing its results are made of is another one later.

Under `sealed`, `summary.json` holds the digests of the tables, what the run was, a digest of each
seed's policy file, and one of the summary itself. Runs of earlier versions have less of it, and
are taken as they are.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mastac.errors import UserError
from mastac.files import write_json
from mastac.runs.checkpoints import saved_epochs
from mastac.runs.folder import RunFolder, read_summary
from mastac.runs.identity import differences, identity_of
from mastac.runs.seal import RESULTS, Seals, damage


def write_summary(
    folder: RunFolder, summary: Mapping[str, Any], tables: Seals, identity: Mapping[str, Any]
) -> None:
    """Write `summary.json`, sealed.

    **Arguments:**

    - `summary`: all that it says besides.
    - `tables`: what [`SealedTables.checked_seals`][mastac.runs.seal.SealedTables] returned.
    - `identity`: of [`identity_of`][mastac.runs.identity.identity_of].
    """
    policies = {str(seed): _digest_of_file(folder.policy(seed)) for seed in summary["seeds"]}
    seal = {**tables, "identity": identity, "policies": policies}
    seal["summary"] = _digest_of_summary(summary, seal)
    write_json(folder.summary, {**summary, "sealed": seal})


def check_ended(folder: RunFolder, summary: Mapping[str, Any]) -> None:
    """`UserError` if a table, the summary or what the run was is not what it was at its end.

    Files that are not there any more are not asked for, apart from the tables.
    """
    seal = summary.get("sealed")
    if seal is None:
        return
    found = damage(folder, seal, RESULTS, whole=True)
    if found:
        raise UserError(f"{found} since the run ended; restore it from a copy, or train it anew")
    if "identity" not in seal:
        return
    if seal.get("summary") != _digest_of_summary(summary, seal):
        raise UserError(
            f"'{folder.summary}' has been altered since the run ended; delete it, and write it "
            f"again with '{folder.how_to_resume()}'"
        )
    here = {
        file: held for file, held in identity_of(folder).items() if (folder.path / file).exists()
    }
    difference = next(differences(seal["identity"], here), None)
    if difference is not None:
        raise UserError(
            f"run '{folder.path}' has been altered since it ended: {difference}; restore that file "
            "from a copy, or train it anew"
        )


def is_whole(folder: RunFolder, epochs: int) -> bool:
    """Whether there is no policy of a run that has ended to write again from its last checkpoint.

    **Raises:** `UserError` as [`check_ended`][].
    """
    summary = read_summary(folder)
    check_ended(folder, summary)
    if saved_epochs(folder.checkpoints)[-1:] != [epochs]:
        return True
    return all(is_policy_sealed(folder, seed, summary) for seed in summary.get("seeds", ()))


def is_policy_sealed(folder: RunFolder, seed: int, summary: Mapping[str, Any]) -> bool:
    """Whether a policy file is still what it was when the run ended, as far as that is known."""
    policies = (summary.get("sealed") or {}).get("policies")
    path = folder.policy(seed)
    if policies is None:
        return path.exists()
    return path.is_file() and policies.get(str(seed)) == _digest_of_file(path)


def _digest_of_file(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _digest_of_summary(summary: Mapping[str, Any], seal: Mapping[str, Any]) -> str:
    """A digest of the summary without itself, whatever the form of the file."""
    rest = {name: value for name, value in seal.items() if name != "summary"}
    whole = json.loads(json.dumps({**summary, "sealed": rest}))  # as it is read: keys are texts
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()
