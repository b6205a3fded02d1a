"""`gnomon dashboard`: serves the study, and those in its subfolders, to a browser."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gnomon.api.study import open_study
from gnomon.data.errors import InputError
from gnomon.study_file import FILE, database_url, resolve_study_path


def serve_dashboard(folder: Path, port: int, address: str = "127.0.0.1", hosts: Sequence[str] = ()) -> None:
    """Serve the study in a folder and those in its subfolders until stopped.

    Parameters
    ----------
    folder : Path
        Folder of a study, or of several.
    port : int
        Port to listen on.
    address : str
        Address to listen on.
    hosts : sequence of str
        Further names under which the server answers.

    Raises
    ------
    InputError
        If there is no study, the studies have different access settings, or the port is in use.
    """
    from gnomon.dashboard.auth.roles import SECRETS
    from gnomon.dashboard.server.launch import serve_studies

    inside = [path for path in sorted(folder.glob("*")) if (path / FILE).is_file()]
    for path in inside:
        resolve_study_path(folder, path.name, "the study")  # a link may lead to another study of this user
    found = [folder, *inside] if (folder / FILE).is_file() else inside
    if not found:
        raise InputError(
            f"{folder}: has no {FILE}: 'gnomon init {folder}' writes one, 'gnomon demo {folder}' makes a whole study"
        )
    studies, known = [], []
    for path in found:
        with open_study(path) as study:
            studies.append((study.file.name, database_url(path, study.file)))
            known.append(study.file.dashboard.to_access())
    if any(each != known[0] for each in known):
        raise InputError(
            f"{folder}: its studies have different [dashboard] tables: serve each by itself, or make them one"
        )
    secrets = resolve_study_path(found[0], SECRETS, "the file").resolve()
    serve_studies(studies, address=address, port=port, access=known[0], secrets=secrets, hosts=hosts)
