//! Session IDs: their form, that nobody can guess one, and what validate recognises.

use std::collections::{BTreeMap, HashSet};

use crate::conformance::{
    finding::{Checked, demand},
    id_trial::{IdTrial, SAMPLE},
    rule::{Needs, Rule},
};

/// The most characters of an ID.
const MAX_LENGTH: usize = 80;
/// The characters of an ID in ASP.NET's form.
const ASPNET_ALPHABET: &str = "abcdefghijklmnopqrstuvwxyz012345";
const ASPNET_LENGTH: usize = 24;
/// The least entropy of an ID, but for the ASP.NET form.
const MIN_ENTROPY: u32 = 128;

pub(super) const RULES: &[Rule] = &[
    Rule::ids("id.length", "An ID has 1 to 80 characters.", "wit id-manager, create", |t| Box::pin(length(t))),
    Rule::ids(
        "id.characters",
        "An ID consists of what RFC 3986 leaves unreserved: letters, digits, `-`, `.`, `_`, `~`.",
        "wit id-manager, create",
        |t| Box::pin(characters(t)),
    ),
    Rule::ids("id.distinct", "Among 10,000 IDs no two are the same.", "wit id-manager, create", |t| {
        Box::pin(distinct(t))
    }),
    Rule::ids(
        "id.distinct-across-instances",
        "IDs made at the same time by several instances, and by new instances, differ.",
        "wit id-manager, create",
        |t| Box::pin(distinct_across_instances(t)),
    ),
    Rule::ids(
        "id.entropy-claimed",
        "The generator claims 128 random bits or more; one of ASP.NET's form may claim 120.",
        "wit id-manager, entropy-bits",
        |t| Box::pin(entropy_claimed(t)),
    ),
    Rule::ids(
        "id.entropy-observed",
        "The characters of 10,000 IDs vary enough to hold the random bits that the generator claims.",
        "wit id-manager, entropy-bits",
        |t| Box::pin(entropy_observed(t)),
    ),
    Rule::ids(
        "id.aspnet-form",
        "An ID of ASP.NET's form has 24 characters of `abcdefghijklmnopqrstuvwxyz012345`.",
        "wit id-manager, id-form",
        |t| Box::pin(aspnet_form(t)),
    )
    .needing(Needs::AspNetForm),
    Rule::ids(
        "id.new-instead-of-previous",
        "An ID that replaces another one is a new one.",
        "wit id-manager, id-context",
        |t| Box::pin(new_instead_of_previous(t)),
    ),
    Rule::ids(
        "id.validates-its-own",
        "Validate accepts every ID that the generator made, through any instance.",
        "wit id-manager, validate",
        |t| Box::pin(validates_its_own(t)),
    ),
    Rule::ids(
        "id.rejects-garbage",
        "Validate rejects what cannot be an ID: nothing, too much, characters that are not allowed.",
        "wit id-manager, validate",
        |t| Box::pin(rejects_garbage(t)),
    ),
    Rule::ids(
        "id.rejects-modified",
        "A verifiable generator rejects its IDs with any one character changed, cut or added.",
        "wit id-manager, verifiable",
        |t| Box::pin(rejects_modified(t)),
    )
    .needing(Needs::Verifiable),
    Rule::ids(
        "id.rejects-spliced",
        "A verifiable generator rejects an ID that is put together from two of its own.",
        "wit id-manager, verifiable",
        |t| Box::pin(rejects_spliced(t)),
    )
    .needing(Needs::Verifiable),
    Rule::ids(
        "id.rejects-made-up",
        "A verifiable generator rejects IDs that are made up of its own characters in its own length.",
        "wit id-manager, verifiable",
        |t| Box::pin(rejects_made_up(t)),
    )
    .needing(Needs::Verifiable),
];

async fn length(t: IdTrial) -> Checked {
    for id in t.sample().await? {
        let length = id.chars().count();
        demand((1..=MAX_LENGTH).contains(&length), "1 to 80 characters", format!("{length}: {id:?}"))?;
    }
    Ok(())
}

async fn characters(t: IdTrial) -> Checked {
    for id in t.sample().await? {
        if let Some(wrong) = id.chars().find(|character| !is_unreserved(*character)) {
            return demand(false, "letters, digits, `-`, `.`, `_`, `~`", format!("{wrong:?} in {id:?}"));
        }
    }
    Ok(())
}

async fn distinct(t: IdTrial) -> Checked {
    let sample = t.sample().await?;
    let different = sample.iter().collect::<HashSet<_>>().len();
    demand(different == SAMPLE, format!("{SAMPLE} different IDs"), format!("{different}"))
}

async fn distinct_across_instances(t: IdTrial) -> Checked {
    let mut ids = t.create_together(8, 250).await?;
    for _ in 0..20 {
        ids.push(t.anew().await?.create(None).await?);
    }
    let made = ids.len();
    let different = ids.into_iter().collect::<HashSet<_>>().len();
    demand(different == made, format!("{made} different IDs"), format!("{different}"))
}

async fn entropy_claimed(t: IdTrial) -> Checked {
    let info = t.info();
    t.note(format!(
        "initialize -> {} bits, {}",
        info.entropy_bits,
        if info.aspnet_form { "aspnet" } else { "own form" }
    ));
    if info.aspnet_form {
        let expected = "120 bits, which is what 24 characters of 32 hold";
        demand(info.entropy_bits == 120, expected, format!("{} bits", info.entropy_bits))
    } else {
        let expected = format!("at least {MIN_ENTROPY} bits");
        demand(info.entropy_bits >= MIN_ENTROPY, expected, format!("{} bits", info.entropy_bits))
    }
}

async fn entropy_observed(t: IdTrial) -> Checked {
    /// An estimate from this many IDs is closer than that.
    const TOLERANCE: f64 = 0.99;
    let sample = t.sample().await?;
    let claimed = f64::from(t.info().entropy_bits);
    let observed = entropy_at_most(sample);
    t.note(format!("the characters at each place hold {observed:.1} bits together; claimed are {claimed}"));
    demand(
        observed >= claimed * TOLERANCE,
        format!("characters that vary enough for {claimed} random bits"),
        format!("they hold {observed:.1} bits at most"),
    )
}

async fn aspnet_form(t: IdTrial) -> Checked {
    for id in t.sample().await? {
        let fits = id.len() == ASPNET_LENGTH && id.chars().all(|character| ASPNET_ALPHABET.contains(character));
        demand(fits, format!("{ASPNET_LENGTH} characters of {ASPNET_ALPHABET}"), format!("{id:?}"))?;
    }
    Ok(())
}

async fn new_instead_of_previous(t: IdTrial) -> Checked {
    let previous = t.create(None).await?;
    let mut seen = HashSet::from([previous.clone()]);
    for _ in 0..10 {
        let id = t.create(Some(&previous)).await?;
        demand(seen.insert(id.clone()), "an ID that was never made before", format!("{id:?} again"))?;
    }
    Ok(())
}

async fn validates_its_own(t: IdTrial) -> Checked {
    let previous = t.create(None).await?;
    let replacing = t.create(Some(&previous)).await?;
    let other = t.anew().await?;
    for id in [previous, replacing] {
        demand(t.validate(&id).await?, "true", "false")?;
        demand(other.validate(&id).await?, "true", "false")?;
    }
    let sample = t.sample().await?;
    for id in sample.iter().take(200) {
        demand(other.validate(id).await?, "true", format!("false, for {id:?}"))?;
    }
    Ok(())
}

async fn rejects_garbage(t: IdTrial) -> Checked {
    let own = t.create(None).await?;
    let too_long = "a".repeat(MAX_LENGTH + 1);
    let far_too_long = "a".repeat(100_000);
    let garbage = [
        "",
        " ",
        "\0",
        "a b",
        "../../etc/passwd",
        "a/b",
        "a%20b",
        "a?b=c",
        "a#b",
        "\r\nSet-Cookie: a=b",
        "<script>",
        "' OR 1=1 --",
        "äöü",
        "🧥",
        too_long.as_str(),
        far_too_long.as_str(),
    ];
    for wrong in garbage {
        demand(!t.validate(wrong).await?, "false", "true")?;
    }
    for wrong in [format!(" {own}"), format!("{own} "), format!("{own}\n"), format!("{own}\0"), format!("{own}/{own}")]
    {
        demand(!t.validate(&wrong).await?, "false", "true")?;
    }
    Ok(())
}

async fn rejects_modified(t: IdTrial) -> Checked {
    for _ in 0..3 {
        let own: Vec<char> = t.create(None).await?.chars().collect();
        for place in 0..own.len() {
            let mut changed = own.clone();
            if let Some(character) = changed.get_mut(place) {
                *character = if *character == 'b' { 'a' } else { 'b' };
            }
            rejected(&t, &changed.into_iter().collect::<String>()).await?;
        }
        let own: String = own.into_iter().collect();
        let mut cut = own.clone();
        cut.pop();
        for wrong in [cut, format!("{own}a"), format!("a{own}"), own.to_uppercase(), own.to_lowercase()] {
            if wrong != own {
                rejected(&t, &wrong).await?;
            }
        }
    }
    Ok(())
}

async fn rejects_spliced(t: IdTrial) -> Checked {
    let (one, other) = (t.create(None).await?, t.create(None).await?);
    let length = one.chars().count();
    for place in 1..length {
        let spliced: String = one.chars().take(place).chain(other.chars().skip(place)).collect();
        // Both may begin or end alike.
        if spliced != one && spliced != other {
            rejected(&t, &spliced).await?;
        }
    }
    Ok(())
}

async fn rejects_made_up(t: IdTrial) -> Checked {
    let sample = t.sample().await?;
    // Each character from another ID: every place has a character that occurs there.
    for start in 0..200 {
        let length = sample.get(start).map_or(0, |id| id.chars().count());
        let made_up: String = (0..length)
            .filter_map(|place| {
                sample.get((start * 37 + place * 101) % sample.len()).and_then(|id| id.chars().nth(place))
            })
            .collect();
        if !sample.contains(&made_up) {
            rejected(&t, &made_up).await?;
        }
    }
    Ok(())
}

async fn rejected(t: &IdTrial, wrong: &str) -> Checked {
    demand(!t.validate(wrong).await?, format!("false, for {wrong:?}"), "true")
}

fn is_unreserved(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | '_' | '~')
}

/// The most random bits that these IDs can hold, in the mean: the sum over the places of an ID of Shannon's entropy of
/// the characters seen there, with the correction of Miller and Madow for a sample of finite size.
///
/// An upper bound: characters that depend on each other are counted as if they did not, so an honest generator is never
/// below what it claims, and a counter or a short random number in a long ID is far below.
fn entropy_at_most(ids: &[String]) -> f64 {
    let length = ids.iter().map(|id| id.chars().count()).max().unwrap_or(0);
    let mut places: Vec<BTreeMap<Option<char>, u32>> = vec![BTreeMap::new(); length];
    for id in ids {
        let mut characters = id.chars();
        for place in &mut places {
            *place.entry(characters.next()).or_default() += 1;
        }
    }
    let total = f64::from(u32::try_from(ids.len()).unwrap_or(u32::MAX));
    places
        .iter()
        .map(|place| {
            let seen: f64 =
                place.values().map(|count| f64::from(*count) / total).map(|share| -share * share.log2()).sum();
            let characters = f64::from(u32::try_from(place.len()).unwrap_or(u32::MAX));
            seen + (characters - 1.0) / (2.0 * total * std::f64::consts::LN_2)
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex_ids(bits: impl Fn(u128) -> u128) -> Vec<String> {
        (0..10_000).map(|number| format!("{:032x}", bits(number))).collect()
    }

    fn random(_: u128) -> u128 {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).unwrap();
        u128::from_le_bytes(bytes)
    }

    #[test]
    fn random_ids_hold_what_they_claim() {
        let bits = entropy_at_most(&hex_ids(random));
        assert!((127.9..128.1).contains(&bits), "{bits}");
    }

    #[test]
    fn a_counter_holds_little_however_long_it_is_written() {
        let bits = entropy_at_most(&hex_ids(|number| number));
        assert!(bits < 14.0, "{bits}");
    }

    #[test]
    fn half_an_id_of_random_bits_holds_half() {
        let bits = entropy_at_most(&hex_ids(|number| random(number) >> 64));
        assert!((63.9..64.1).contains(&bits), "{bits}");
    }
}
