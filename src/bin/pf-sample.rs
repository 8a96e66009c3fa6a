fn main() -> std::process::ExitCode {
    molrg::programs::main("pf-sample", molrg::revision!())
}
