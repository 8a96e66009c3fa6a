//! There and back, and bytes of chance.

use super::*;

/// Numbers of every magnitude, among them those that are not finite.
fn matrix() -> impl Strategy<Value = Array2<f64>> {
    (0usize..40, 1usize..12).prop_flat_map(|(n, d)| {
        prop::collection::vec(any::<f64>(), n * d)
            .prop_map(move |values| Array2::from_shape_vec((n, d), values).unwrap())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_reads_back(
        a in matrix(),
        single in any::<bool>(),
        known in any::<bool>(),
        csv in any::<bool>(),
        cuts in prop::collection::vec(0usize..41, 0..4),
        step in 1usize..50,
    ) {
        let dir = TempDir::new().unwrap();
        let part = dir.path().join("part");
        let format = if csv { Format::Csv } else { Format::Npy };
        let n = a.nrows();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(n)).chain([0, n]).collect();
        cuts.sort_unstable();
        let a32 = a.mapv(|x| x as f32);
        // As several files, joined as `cat` joins them.
        let mut joined = Vec::new();
        for cut in cuts.windows(2) {
            let range = s![cut[0]..cut[1], ..];
            let rows = known.then_some(cut[1] - cut[0]);
            if single {
                write(&part, format, rows, a32.slice(range));
            } else {
                write(&part, format, rows, a.slice(range));
            }
            joined.extend(fs::read(&part).unwrap());
        }
        let whole = dir.path().join("whole");
        fs::write(&whole, joined).unwrap();
        if csv && n == 0 {
            says(open(&whole, &pass()), &["is empty"]);
            return Ok(());
        }
        let mut rows = open(&whole, &pass()).unwrap();
        let mut back = Array2::zeros((0, rows.width()));
        while let Some(block) = rows.next_block::<f64>(step).unwrap() {
            back.append(ndarray::Axis(0), block.view()).unwrap();
        }
        // The shortest digits of an f32 are those that tell it from other f32.
        if single {
            prop_assert!(same(&back.mapv(|x| x as f32), &a32));
        } else {
            prop_assert!(same(&back, &a));
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(
        file in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let sound = names_in(&testdata("npy"));
        let mut bytes = fs::read(numpys(&sound[file.index(sound.len())])).unwrap();
        bytes.truncate(4000);
        for (place, value) in changes {
            let near = place.index(bytes.len().min(200));
            bytes[near] = value;
        }
        bytes.truncate(cut.index(bytes.len() * 4) + 1);
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("changed");
        fs::write(&path, bytes).unwrap();
        if let Err(e) = read(&path, &pass()) {
            prop_assert_eq!(e.to_string().lines().count(), 1);
        }
    }
}
