fn main() -> std::process::ExitCode {
    molrg::programs::main("dae-compare", molrg::revision!())
}
