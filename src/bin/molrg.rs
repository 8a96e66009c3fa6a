fn main() -> std::process::ExitCode {
    molrg::programs::any(molrg::revision!())
}
