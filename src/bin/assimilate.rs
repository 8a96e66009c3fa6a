fn main() -> std::process::ExitCode {
    molrg::programs::main("assimilate", molrg::revision!())
}
