fn main() -> std::process::ExitCode {
    molrg::programs::main("rp-score", molrg::revision!())
}
