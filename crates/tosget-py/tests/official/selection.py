"""Which of the official package's own tests (2.9.3) are run, and why the others are not. `find.py` says which there are: a new one
is not forgotten."""

# They call `download_file`, which runs on the engine where it is accelerated.
DOWNLOADS = {
    "test_checkpoint.TestUploadAndDownload.test_download",
    "test_checkpoint.TestUploadAndDownload.test_large_file_with_multi_threaded",
    "test_checkpoint.TestUploadAndDownload.test_large_file_with_single_threaded",
    "test_checkpoint.TestUploadAndDownload.test_small_file",
    "test_checkpoint.TestUploadAndDownload.test_threaded_larger_part_size",
    "test_v2_encryption.TestEncryption.test_upload_download_with_encryption",
    "test_v2_object.TestObject.test_non_file",
    "test_v2_object.TestObject.test_symlink",
    "test_v2_with_version.TestWithVersion.test_download_copy_version",
}

# They use a limiter or a hook for something else, which has to stay as it is.
BESIDE = {
    "test_base_func.BaseFuncTestCase.test_cancel_hook",
    "test_v2_object.TestObject.test_append_with_options",
    "test_v2_object.TestObject.test_empty",
    "test_v2_object.TestObject.test_get_object_with_data_transfer_listener",
    "test_v2_object.TestObject.test_object_from_file",
    "test_v2_object.TestObject.test_with_rate_limiter",
}

_PRIVATE_CLASS = (
    "makes parts fail by replacing _BreakpointDownloader._do_task, a private class that nothing runs through when accelerated; "
    "test_scripts.test_resume and test_differences make parts fail in the server instead"
)
_REAL_SERVICE = "asks the real service's public host name"

NOT_RUN = {
    "test_base_func.BaseFuncTestCase.test_retry": "private functions of the package's own retries; no server, no download",
    "test_checkpoint.TestUploadAndDownload.test_download_fail_fist_part": _PRIVATE_CLASS,
    "test_checkpoint.TestUploadAndDownload.test_download_fail_last_part": _PRIVATE_CLASS,
    "test_checkpoint.TestUploadAndDownload.test_download_fail_mid_part": _PRIVATE_CLASS,
    "test_v2_object.TestObject.test_request_date": (
        "signs downloads with a date of its own by generic_input, which tosget refuses by name (test_refusals)"
    ),
    "test_v2_object.TestObject.test_wrapper": "private wrappers of what is uploaded; no download",
    "test_v2_object.TestObject.test_wrapper_socket_io": _REAL_SERVICE,
}
