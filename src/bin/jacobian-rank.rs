fn main() -> std::process::ExitCode {
    molrg::programs::main("jacobian-rank", molrg::revision!())
}
