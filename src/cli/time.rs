//! Times as people type them.

/// Milliseconds since 1970: as such a number, or as a date and time of RFC 3339 such as
/// `2026-11-22T18:30:00Z` or `2026-11-22T18:30:00.250+02:00`.
pub fn parse_time(text: &str) -> Result<i64, String> {
    if let Ok(milliseconds) = text.parse::<i64>() {
        return Ok(milliseconds);
    }
    read(text).ok_or_else(|| {
        format!("'{text}' is neither milliseconds since 1970 nor like 2026-11-22T18:30:00Z")
    })
}

fn read(text: &str) -> Option<i64> {
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let [year, month, day] = numbers::<3>(date, '-')?;
    let zone_at = rest.find(['Z', 'z', '+', '-'])?;
    let (time, zone) = rest.split_at(zone_at);
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [hour, minute, second] = numbers::<3>(time, ':')?;
    let fits = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !fits || !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let milliseconds: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let seconds = (days(year, month, day) * 24 + hour) * 3_600 + minute * 60 + second;
    Some((seconds - offset_seconds(zone)?) * 1_000 + milliseconds)
}

fn offset_seconds(zone: &str) -> Option<i64> {
    let sign = match zone.get(..1)? {
        "Z" | "z" if zone.len() == 1 => return Some(0),
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let [hours, minutes] = numbers::<2>(zone.get(1..)?, ':')?;
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
}

fn numbers<const COUNT: usize>(text: &str, between: char) -> Option<[i64; COUNT]> {
    let parts = text.split(between).map(|part| {
        let plain = !part.is_empty() && part.bytes().all(|digit| digit.is_ascii_digit());
        plain.then(|| part.parse::<i64>().ok()).flatten()
    });
    let parts: Option<Vec<i64>> = parts.collect();
    parts?.try_into().ok()
}

/// Days from 1970-01-01 in the Gregorian calendar: years are counted from March, so that the day
/// that leap years add is the last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    year * 365 + leap_days + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_counted_from_1970_and_zones_are_taken_off() {
        for (text, milliseconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:00Z", 951_825_600_000),
            ("2026-11-22T18:30:00Z", 1_795_372_200_000),
            ("2026-11-22T20:30:00.25+02:00", 1_795_372_200_250),
            ("1969-12-31T23:59:59Z", -1_000),
            ("1795372200000", 1_795_372_200_000),
        ] {
            assert_eq!(parse_time(text), Ok(milliseconds), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused_with_an_example() {
        for text in [
            "yesterday",
            "2026-13-01T00:00:00Z",
            "2026-11-22",
            "2026-11-22T18:30:00",
            "",
        ] {
            let refusal = parse_time(text).expect_err(text);
            assert!(refusal.contains("2026-11-22T18:30:00Z"), "{refusal}");
        }
    }
}
