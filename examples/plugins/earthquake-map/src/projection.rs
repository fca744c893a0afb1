//! The Equal Earth projection: areas are true, and the earth looks like one. Coefficients are those of its authors (Šavrič, Patterson, Jenny 2018).

const A: [f64; 4] = [1.340264, -0.081106, 0.000893, 0.003796];
/// Half the width and half the height of the earth in units of its radius.
pub(crate) const HALF: (f64, f64) = (2.706630, 1.317363);

/// A place in degrees as a point: x to the right, y upwards, in units of the radius.
pub(crate) fn project(longitude: f64, latitude: f64) -> (f64, f64) {
    let root = 3.0_f64.sqrt();
    let theta = (root / 2.0 * latitude.to_radians().sin()).asin();
    let (square, sixth) = (theta * theta, theta.powi(6));
    let slope = A[0] + 3.0 * A[1] * square + sixth * (7.0 * A[2] + 9.0 * A[3] * square);
    let x = 2.0 * root * longitude.to_radians() * theta.cos() / (3.0 * slope);
    (x, theta * (A[0] + A[1] * square + sixth * (A[2] + A[3] * square)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earth_ends_where_it_should() {
        let near = |is: f64, should: f64| assert!((is - should).abs() < 1e-5, "{is} is not {should}");
        near(project(180.0, 0.0).0, HALF.0);
        near(project(0.0, 90.0).1, HALF.1);
        assert_eq!(project(0.0, 0.0), (0.0, 0.0));
        near(project(-60.0, -30.0).0, -project(60.0, 30.0).0);
    }
}
