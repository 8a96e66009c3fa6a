fn main() -> std::process::ExitCode {
    molrg::programs::main("watermark", molrg::revision!())
}
