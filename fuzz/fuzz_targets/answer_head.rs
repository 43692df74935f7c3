#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tosget::properties::answer_head(bytes));
