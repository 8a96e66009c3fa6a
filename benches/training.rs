//! Seconds a step of training takes: `cargo bench --bench training -- CASE [STEPS [THREADS]]`,
//! CASE being mlp, two-layer or unet. Prints one line of JSON, with the step's
//! operations; `make bench` runs it in turn with the rivals of `benches/peers`.

use std::time::Instant;

use anyhow::{Result, bail};
use molrg::network::{Architecture, Padding};
use molrg::random::{Purpose, normal_rows};
use molrg::training::{Average, Batch, Loss, Optimizer, Rate, Settings, Trainer};
use ndarray::Array2;

/// Multiplications and additions of a step: twice those of every weight's use
/// forwards, by the data and by the weight (the first layer lacks the second of these).
fn operations(case: &str) -> f64 {
    let conv = |pixels: f64, inputs: f64, outputs: f64| 9.0 * pixels * inputs * outputs;
    let forward = match case {
        // in, three blocks of A and B on 1024 units, out; the embedding is small beside them.
        "mlp" => 256.0 * 1024.0 * 1024.0 * 8.0,
        "two-layer" => 256.0 * 1024.0 * 1024.0 * 2.0,
        _ => {
            let (high, low) = (1024.0, 256.0);
            let down = 2.0 * conv(high, 64.0, 64.0) + conv(low, 64.0, 128.0) + conv(low, 128.0, 128.0);
            let middle = 4.0 * conv(low, 128.0, 128.0) + low * 128.0 * 128.0 * 4.0 + 2.0 * low * low * 128.0;
            let up = conv(low, 256.0, 128.0)
                + conv(low, 128.0, 128.0)
                + low * 256.0 * 128.0
                + conv(high, 192.0, 64.0)
                + conv(high, 64.0, 64.0)
                + high * 192.0 * 64.0;
            64.0 * (down + middle + up + conv(high, 3.0, 64.0) + conv(high, 64.0, 3.0) + low * 64.0 * 128.0)
        }
    };
    3.0 * 2.0 * forward
}

fn normal(seed: u64, n: usize, d: usize) -> Array2<f32> {
    normal_rows(seed, Purpose::Noise, 0..n as u64, d)
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let case = arguments.first().map_or("mlp", String::as_str);
    let steps: usize = arguments.get(1).map_or(Ok(20), |n| n.parse())?;
    let threads: usize = arguments.get(2).map_or(Ok(2), |n| n.parse())?;
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    let (architecture, item, batch, loss) = match case {
        "mlp" => (Architecture::Mlp { width: 1024, depth: 3 }, vec![1024], 256, Loss::Edm),
        "two-layer" => {
            let network = Architecture::TwoLayer { width: 1024, tied: false, conditioned: false };
            (network, vec![1024], 256, Loss::Fixed { sigma: 0.2 })
        }
        "unet" => {
            let network =
                Architecture::UNet { width: 64, mult: vec![1, 2], blocks: 1, padding: Padding::Zero };
            (network, vec![32, 32, 3], 64, Loss::Edm)
        }
        other => bail!("{other}: no such case; give mlp, two-layer or unet"),
    };
    let settings = Settings {
        loss,
        optimizer: Optimizer::Adam,
        decay: 0.0,
        momentum: 0.9,
        rate: Rate { peak: 1e-3, warmup: 10, floor: 0.02 },
        average: Average::Relative { share: 0.1 },
        steps: 1000,
        batch: Batch::Drawn(batch),
        flip: false,
        seed: 1,
    };
    let data = normal(3, 1024, item.iter().product());
    let mut trainer = Trainer::new(architecture.graph(&item)?, &item, data, settings)?;
    for _ in 0..3 {
        trainer.step()?;
    }
    let mut seconds = Vec::new();
    for _ in 0..steps {
        let start = Instant::now();
        trainer.step()?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    let median = seconds[steps / 2];
    println!(
        "{{\"case\": \"{case}\", \"seconds\": {median:.6}, \"operations\": {:.4e}, \"bytes\": {}}}",
        operations(case),
        trainer.memory().iter().sum::<usize>()
    );
    Ok(())
}
