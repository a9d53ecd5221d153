"""What a reader of an evaluation should not overlook, in the words that a table and a card share; loads nothing."""


def too_narrow(patients: int, scans: int) -> list[str]:
    """Say that several scans of a patient are behind some intervals, where it is so.

    Args:
        patients: whose scans were judged.
        scans: that were judged.
    """
    if patients >= scans:
        return []
    whose = "1 patient" if patients == 1 else f"{patients:,} patients"
    return [f"The {scans:,} scans are of {whose}: the intervals take scans as independent, so they are too narrow."]
