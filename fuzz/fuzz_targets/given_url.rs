#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tosget::properties::given_url(bytes));
