#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| molrg_fuzz::checks::array(bytes));
