fn main() -> std::process::ExitCode {
    molrg::programs::main("subspace-error", molrg::revision!())
}
