"""Reason codes: the stable, machine-readable words for why a row or a drop was refused."""

from __future__ import annotations

from telltale_core.errors import BadInput

ROW_REASONS: dict[str, str] = {
    "audio_too_long": "the header states more seconds than `max_audio_s`; refused before decoding",
    "duplicate_content": 'the same bytes and value stand in an earlier row, and `duplicates` is set to "reject"',
    "duplicate_id": "an earlier row has the same id, the same bytes and the same value",
    "field_too_long": "a text field is longer than `max_field_bytes`",
    "id_conflict": "an earlier row has the same id with other bytes or another value",
    "id_invalid": "the id is not text or a whole number, or holds control characters",
    "id_missing": "the id column of the row is empty",
    "id_too_long": "the id is longer than `max_id_chars`",
    "label_invalid": "the label is neither a number nor plain text",
    "label_missing": "the label is empty, null or NaN",
    "label_not_whole": "the label is a number with a fraction",
    "label_out_of_range": "the label is below 0 or not below the number of classes",
    "label_unknown": "the label is text that names none of the classes",
    "media_missing": "the row has no media: null, empty, or a path to no file of the drop",
    "media_too_large": "the media has more bytes than `max_media_bytes`",
    "media_unreadable": "the media is truncated or damaged",
    "media_unsupported": "the media is not of a kind that is read; the reason lists those that are",
    "path_outside_drop": "the path is absolute, a URL, climbs with `..`, or is a link that leaves the drop",
    "row_too_long": "the row has more bytes than `max_row_bytes`, or unpacks to more than `max_decoded_row_bytes`",
    "row_unreadable": "the line cannot be parsed, or has another number of fields than the header",
    "sample_too_slow": "the sample took more processor time than `max_sample_cpu_s`",
    "sample_rate_refused": "the header states a sampling rate below 1,000 Hz or above `max_sample_rate`",
    "split_missing": "the column of splits is empty for the row, so that it is of none",
    "target_invalid": "the target is not a number",
    "target_missing": "the target is empty or null",
    "target_not_finite": "the target is NaN or infinite",
    "too_many_channels": "the header states more channels than `max_channels`",
    "text_empty": "the text is empty or blank",
    "text_invalid": "the text is not UTF-8, holds NUL or another control character, or is no text",
    "text_too_long": "the text has more characters than `max_text_chars`",
    "token_too_long": "more characters without a blank than `max_word_chars`",
    "too_many_parts": "the file consists of more pieces than any camera or program writes",
    "too_many_pixels": "the header states more pixels than `max_pixels`, or a side over `max_side`",
    "too_many_scans": "the JPEG has more scans than any photograph needs",
    "values_invalid": "values are out of range, not finite, not of the kind of their column, or form no sample",
}

DROP_REASONS: dict[str, str] = {
    "archive_refused": "archives are not opened: unpack the drop first",
    "columns_unclear": "columns repeat a name, are too many, or have names that cannot be shown",
    "column_unclear": "a column of a table holds free text or nothing: leave it out by `input_columns`",
    "column_missing": "no column can be read as input, label or target: name it",
    "drop_empty": "the drop holds no row",
    "drop_too_large": "the drop has more files or bytes, packed or unpacked, than `max_files`, `max_drop_bytes`",
    "drop_toml_invalid": "`drop.toml` has an unknown field or a wrong value",
    "encoding_unclear": "a file of text is not UTF-8: set `encoding`",
    "file_corrupt": "a Parquet or .npy file is damaged or its header contradicts its content",
    "format_unclear": "the drop holds no known format, or several: give `format`",
    "labels_unclear": "no row holds a label that is a number or a text",
    "nothing_to_learn": "one class only, or a target that never changes",
    "no_row_kept": "every row was rejected",
    "pickle_refused": "pickled objects are never loaded",
    "rows_swallowed": "a quote opens where none should: rows would become part of a text",
    "schema_mismatch": "files of one drop have different columns, or inputs and labels different lengths",
    "setting_misplaced": "a setting of another modality than the drop's",
    "split_unclear": "the split that is to be read is not there: set `split`",
    "task_refused": "the files are of detection or segmentation: boxes and masks are no classes",
    "too_many_classes": "more different labels than `max_classes`",
    "too_many_rows": "more rows than `max_rows`",
    "url_refused": "the URL has a scheme that is not allowed, credentials, or a query",
}


def bad(code: str, message: str) -> BadInput:
    """Return the error for a row or a drop that is refused; ``code`` must be one of the codes above."""
    if code not in ROW_REASONS and code not in DROP_REASONS:
        raise ValueError(f"{code!r} is not a reason code")
    return BadInput(code, message)


def sentence(error: BadInput) -> str:
    """Return the error's message without its trailing code."""
    return str(error).removesuffix(f" [{error.code}]")


def shown(value: object, max_chars: int = 60) -> str:
    """Return a value as a short, printable, quoted text for a message: attacker text never reaches a terminal raw."""
    try:
        text = ascii(value[: max_chars * 2] if isinstance(value, str | bytes | list | tuple) else value)
    except RecursionError:
        text = f"a {type(value).__name__} that is nested too deeply"
    return text if len(text) <= max_chars else text[: max_chars - 3] + "..."
