//! mixture: what goes in and out of its commands.

use crate::place::Place;

fn stocked() -> Place {
    let place = Place::new();
    place.out("molrg-gen -d 12 -r 2,3 --weights 1,3 --noise-std 0.1 --mean-norm 2 -n 5 --shape 2,6 --truth a.st -o a.npy");
    place.out("molrg-gen -d 12 -r 1 -k 4 -n 5 --seed 2 --truth b.st -o b.npy");
    place.out("molrg-gen -d 11 -r 1 -k 2 -n 5 --truth other.st -o /dev/null");
    place.out("molrg-gen -d 12 -r 1 -k 2 -n 5 --shape 3,4 --truth shape.st -o /dev/null");
    place.out("dae-fit a.npy --kind empirical -o empirical.st");
    place
}

#[track_caller]
fn refused(place: &Place, line: &str, code: i32, words: &[&str]) {
    let done = place.run(line);
    assert_eq!((done.code, done.err.lines().count()), (Some(code), 1), "{line}: {}", done.err);
    assert!(words.iter().all(|word| done.err.contains(word)), "{line}: {}", done.err);
}

#[test]
fn info_tells_what_was_planted() {
    let place = stocked();
    let table = place.text("mixture info a.st");
    let rows: Vec<Vec<f64>> =
        table.lines().skip(1).map(|row| row.split(',').map(|x| x.parse().unwrap()).collect()).collect();
    // Stored in f32.
    let due = [
        [0.0, 0.25, 12.0, 2.0, 2.0, 2.12, 1.01, 0.01, 0.01],
        [1.0, 0.75, 12.0, 3.0, 2.0, 3.12, 1.01, 0.01, 0.01],
    ];
    for (row, due) in rows.iter().zip(due) {
        assert!(row.iter().zip(due).all(|(x, y)| (x - y).abs() < 1e-6), "{row:?}");
    }
    assert_eq!((rows.len(), table.lines().next().unwrap().split(',').nth(7)), (2, Some("smallest_variance")));
    assert_eq!(place.text("mixture info a.st --rows 1..").lines().nth(1), table.lines().nth(2));
}

#[test]
fn select_takes_a_join_apart_to_the_byte() {
    let place = stocked();
    place.out("mixture join b.st a.st -o both.st");
    place.out("mixture select both.st --components 4,5 -o again.st");
    assert_eq!(place.get("again.st"), place.get("a.st"));
    // The shape of the items is that of the one that has one.
    assert!(
        place
            .bash("mixture select both.st --components 0,1,2,3 | mixture info - | cmp - <(mixture info b.st)")
            .code
            == Some(0)
    );
    let weights = place
        .bash("mixture join a.st b.st --weights 3,1 | mixture info | cut -d, -f2 | paste -sd' '")
        .silent("join");
    assert_eq!(
        String::from_utf8(weights).unwrap().trim(),
        "weight 0.1875 0.5625 0.0625 0.0625 0.0625 0.0625"
    );
}

/// What one fits to many samples.
#[test]
fn the_pooled_gaussian_is_the_one_fitted() {
    let place = stocked();
    place.out("mixture pool a.st --dtype f64 -o pooled.st");
    place.out("molrg-gen --from a.st -n 40000 --seed 4 --dtype f64 -o many.npy");
    place.out("dae-fit many.npy --kind gaussian -o fitted.st");
    let error: f64 = place
        .text("pfd pooled.st fitted.st -n 200 --dtype f64")
        .lines()
        .nth(1)
        .unwrap()
        .split(',')
        .nth(3)
        .unwrap()
        .parse()
        .unwrap();
    // Of a norm near 2.4, by 40 000 rows.
    assert!(error < 0.1, "{error}");
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let place = stocked();
    refused(&place, "mixture join a.st other.st", 1, &["other.st: is of dimension 11, but a.st of 12"]);
    refused(
        &place,
        "mixture join a.st b.st shape.st",
        1,
        &["shape.st and a.st: items of shape (3,4) against (2,6)"],
    );
    refused(&place, "mixture join a.st b.st --weights 1", 2, &["--weights: give 2 numbers"]);
    refused(&place, "mixture join a.st b.st --weights 1,-1", 2, &["--weights"]);
    refused(&place, "mixture join a.st b.st --weights 0,0", 2, &["--weights"]);
    refused(&place, "mixture select a.st --components 0,2", 2, &["--components: 2 is none of 0 to 1"]);
    refused(&place, "mixture select a.st --components 1,0,1", 2, &["--components: 1 is given twice"]);
    refused(&place, "mixture pool empirical.st", 1, &["empirical.st: is a model of kind empirical"]);
    place.out("molrg-gen -d 3 -r 1 -k 2 --weights 1,0 -n 2 --truth none.st -o /dev/null");
    refused(&place, "mixture select none.st --components 1", 1, &["--components", "no weight in all"]);
}
