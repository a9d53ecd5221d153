"""The data of one training: found, read, judged, prepared, split."""

import dataclasses
from dataclasses import dataclass

from ctexp.datasets.cache import ScanCache
from ctexp.datasets.collection import Collection
from ctexp.datasets.leakage import find_near_duplicates, join_copies, join_on_sides, keep_to_sides, part_copies
from ctexp.datasets.load import load_collection
from ctexp.datasets.sources import Source, find_source
from ctexp.datasets.splits import Split, check_split, scheme_of, split_collection
from ctexp.experiments.request import TrainingRequest
from ctexp.experiments.watch import Watch
from ctexp.project import Project
from ctexp.scans.read import ReadOptions


@dataclass(frozen=True)
class Prepared:
    """The data of one training, read and split."""

    source: Source
    cache: ScanCache
    collection: Collection
    split: Split


def prepare_data(request: TrainingRequest, project: Project, watch: Watch) -> Prepared:
    """Find, read, prepare and split the scans of a request.

    Raises:
        DataError: the source, a scan or the split breaks a rule.
        WorkError: the disk does not take what is prepared.
    """
    source = find_source(request.data, project)
    if source.is_default:
        watch.say("No --data: these are synthetic scans, drawn by ctexp. For real ones name a folder or a manifest.")
    cache = ScanCache(project.cache, request.experiment.scan)
    collection = load_collection(
        source,
        cache,
        options=ReadOptions(allow_gaps=request.allow_gaps),
        positive=request.positive,
        skip_bad=request.skip_bad,
        progress=watch.stage,
    )
    scheme = scheme_of(collection, request.experiment.split)
    fixed = scheme != "random"
    pairs = find_near_duplicates(collection.scans, cache)  # also of what goes: it shows who is one person
    if scheme == "manifest":
        collection = keep_to_sides(collection)
    collection, joined = join_copies(collection, pairs, fixed=fixed, skip_bad=request.skip_bad)
    for note in (*collection.notes, *joined):
        watch.say(note)
    if collection.doubts:
        codes = ", ".join(f"{code} {count}" for code, count in collection.doubts.items())
        watch.say(f"the gate warns of some scans ({codes}); `ctexp data check` names them")
    split = split_collection(collection, request.experiment.split, request.experiment.seed)
    if split.left_out:
        watch.say(f"the {scheme} split does not name {len(split.left_out)} of the {len(collection.scans)} scans: "
                  "they are on no side")  # fmt: skip
    split, apart = part_copies(split, pairs, collection.source, skip_bad=request.skip_bad)
    if apart:  # what is left may lack a class
        check_split(split, collection.source, with_test=bool(split.test), remedy="mend the split, or remove copies")
    if fixed:
        collection, split = join_on_sides(collection, split, pairs)
    collection = dataclasses.replace(collection, skipped=(*collection.skipped, *apart))
    for problem in collection.skipped:
        watch.say(f"skipped: {problem.reason}")
    return Prepared(source, cache, collection, split)
