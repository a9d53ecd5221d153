"""A form with one file in it, as browsers and `curl -F` send it, to that file's bytes and name, piece by piece."""

from collections.abc import Callable

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from ctexp.service.refusals import RefusalError


class FormReader:
    """Finds the file in a `multipart/form-data` body; nothing but the headers of one part is kept in memory.

    Args:
        content_type: the request's, with the boundary.
        write: takes the file's bytes.

    Raises:
        RefusalError: status 400; the form is damaged, has no file or more than one.
    """

    def __init__(self, content_type: str, write: Callable[[bytes], None]) -> None:
        boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
        if not boundary:
            raise RefusalError(400, "malformed", "upload: a multipart form must name its boundary in Content-Type")
        self.name: str | None = None
        self._write = write
        self._files = 0
        self._in_file = self._ended = False
        self._field = self._value = b""
        self._disposition = b""
        try:
            self._parser = MultipartParser(boundary, {
                "on_part_begin": self._begin_part, "on_header_begin": self._begin_header,
                "on_header_field": self._take_field, "on_header_value": self._take_value,
                "on_header_end": self._end_header, "on_headers_finished": self._end_headers,
                "on_part_data": self._take_data, "on_end": self._end,
            })  # fmt: skip
        except FormParserError as error:
            raise RefusalError(400, "malformed", f"upload: the multipart form is damaged: {error}") from error

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the body."""
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise RefusalError(400, "malformed", f"upload: the multipart form is damaged: {error}") from error

    def finish(self) -> None:
        """Take the end of the body."""
        if not self._ended:
            raise RefusalError(
                400, "malformed", "upload: the multipart form must end with its boundary; it is cut short"
            )
        if not self._files:
            raise RefusalError(400, "malformed", "upload: the form must hold a file; curl sends one with -F scan=@FILE")

    def _begin_part(self) -> None:
        self._in_file, self._disposition = False, b""

    def _begin_header(self) -> None:
        self._field = self._value = b""

    def _take_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _take_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if self._field.lower() == b"content-disposition":
            self._disposition = self._value

    def _end_headers(self) -> None:
        options = parse_options_header(self._disposition)[1]
        if b"filename" not in options:  # a text field: none is known, all are passed over
            return
        self._files += 1
        if self._files > 1:
            raise RefusalError(400, "malformed", "upload: the form must hold one file, it has more; zip a DICOM series")
        self._in_file = True
        self.name = options[b"filename"].decode("utf-8", "replace")

    def _take_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._write(data[start:end])

    def _end(self) -> None:
        self._ended = True
