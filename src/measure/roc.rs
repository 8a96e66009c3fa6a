//! How well a score tells two classes apart: the area under the receiver operating characteristic, its standard
//! error, and the share of positives found where one in a hundred negatives is, too.

/// Of scores that are larger for positives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Roc {
    /// P(positive > negative) + ½P(equal), over all pairs.
    pub auc: f64,
    /// Its standard error; `None` where a class has one member, whose spread is not defined.
    pub std_error: Option<f64>,
    /// Share of positives above the 0.99-quantile of the negatives (see [`roc`]).
    pub true_positives: f64,
}

/// The characteristic of two samples; `None` where one of them is empty.
///
/// The error is that of DeLong, DeLong and Clarke-Pearson (Biometrics 44 (1988) 837), with the components computed
/// from ranks as by Sun and Xu (IEEE Signal Processing Letters 21 (2014) 1389).
///
/// The 0.99-quantile of n negatives is the smallest of them that at most n/100 are above: scikit-learn's greatest TPR
/// at an FPR of at most 0.01. With fewer than 100 negatives it is the largest.
pub fn roc(positive: &[f64], negative: &[f64]) -> Option<Roc> {
    let (m, n) = (positive.len(), negative.len());
    if m == 0 || n == 0 {
        return None;
    }
    let pooled = mid_ranks(&[positive, negative].concat());
    // Of each positive, the share of negatives below it; of each negative, the share of positives above.
    let below: Vec<f64> =
        pooled[..m].iter().zip(mid_ranks(positive)).map(|(all, own)| (all - own) / n as f64).collect();
    let above: Vec<f64> =
        pooled[m..].iter().zip(mid_ranks(negative)).map(|(all, own)| 1.0 - (all - own) / m as f64).collect();
    let variance = || Some(variance(&below)? / m as f64 + variance(&above)? / n as f64);
    let mut ordered = negative.to_vec();
    ordered.sort_by(f64::total_cmp);
    let threshold = ordered[n - 1 - n / 100];
    let found = positive.iter().filter(|&&score| score > threshold).count();
    Some(Roc {
        auc: mean(&below),
        std_error: variance().map(f64::sqrt),
        true_positives: found as f64 / m as f64,
    })
}

/// Ranks from 1; equal numbers share the mean of theirs.
fn mid_ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for equal in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = before as f64 + (equal.len() as f64 + 1.0) / 2.0;
        equal.iter().for_each(|&i| ranks[i] = rank);
        before += equal.len();
    }
    ranks
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// With n − 1; of one number none.
fn variance(values: &[f64]) -> Option<f64> {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    (values.len() > 1).then(|| squares / (values.len() - 1) as f64)
}
