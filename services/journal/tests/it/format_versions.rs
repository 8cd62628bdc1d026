//! Every version of a format that was ever in force is found again by its hash.

use proto::fault::v1::Fault;
use proto::journal::v1::{GetFormatRequest, ListFormatsRequest, StoreFormatsRequest, StoredFormat};

use crate::environment::*;
use crate::on_both;

on_both!(
    a_version_is_found_by_its_hash_and_listed,
    a_version_number_belongs_to_one_content_unless_it_was_shipped,
    a_hash_has_to_identify_its_text,
);

/// Stores versions; the answer: the hashes of those that contradict them.
async fn store(env: &Environment, formats: &[StoredFormat]) -> Result<Vec<String>, Fault> {
    let request = StoreFormatsRequest { formats: formats.to_vec(), in_use: false };
    let stored = env.format_store().store_formats(request).await;
    let stored = stored.map_err(|it| Fault::from_status(&it).unwrap())?.into_inner();
    Ok(stored.conflicts.into_iter().map(|it| it.hash).collect())
}

async fn list(env: &Environment, name: &str, limit: u32) -> Vec<StoredFormat> {
    let request = ListFormatsRequest { name: name.to_owned(), limit };
    env.format_store().list_formats(request).await.unwrap().into_inner().formats
}

async fn a_version_is_found_by_its_hash_and_listed(env: Environment) {
    let first = format_of("letter", 1, "title: Thư\n# ghi chú\n");
    let second = format_of("letter", 2, "title: Thư mới\n");
    let other = StoredFormat { shipped: true, ..format_of("edxml", 1, "title: Gói tin\n") };
    assert_eq!(store(&env, &[first.clone(), other.clone()]).await.unwrap(), [""; 0]);
    env.advance(5);
    let all = [second.clone(), first.clone(), other.clone()];
    assert_eq!(store(&env, &all).await.unwrap(), [""; 0], "a repeat is no conflict");
    let get = |hash: &str| GetFormatRequest { hash: hash.to_owned() };
    for (stored, at_us) in [(&first, START_US), (&other, START_US), (&second, START_US + 5_000_000)]
    {
        let found = env.format_store().get_format(get(&stored.hash)).await.unwrap().into_inner();
        let expected = StoredFormat { first_seen_us: at_us, ..stored.clone() };
        assert_eq!(found.format, Some(expected));
    }
    let unknown = env.format_store().get_format(get("0")).await.unwrap_err();
    assert_eq!(Fault::from_status(&unknown).unwrap().code, "LT-FMT-026");
    let hashes = |of: Vec<StoredFormat>| of.into_iter().map(|it| it.hash).collect::<Vec<_>>();
    assert_eq!(hashes(list(&env, "letter", 0).await), [second.hash.clone(), first.hash]);
    assert_eq!(hashes(list(&env, "", 1).await), [second.hash]);
    let listed = list(&env, "", 0).await;
    assert_eq!((listed.len(), listed[0].text.as_str()), (3, ""));
}

async fn a_version_number_belongs_to_one_content_unless_it_was_shipped(env: Environment) {
    let first = format_of("letter", 1, "a");
    let other = format_of("letter", 1, "b");
    store(&env, std::slice::from_ref(&first)).await.unwrap();
    let next = format_of("letter", 2, "c");
    let conflicts = store(&env, &[other.clone(), next]).await.unwrap();
    assert_eq!(conflicts, [first.hash]);
    assert_eq!(list(&env, "letter", 0).await.len(), 2, "the other one was stored");
    let shipped = StoredFormat { shipped: true, ..other };
    assert_eq!(store(&env, &[shipped]).await.unwrap(), [""; 0]);
    assert_eq!(list(&env, "letter", 0).await.len(), 3);
    let used = format_of("letter", 1, "d");
    let request = StoreFormatsRequest { formats: vec![used.clone()], in_use: true };
    let stored = env.format_store().store_formats(request).await.unwrap().into_inner();
    assert_eq!(stored.conflicts.len(), 1, "it is named, and kept");
    assert!(list(&env, "letter", 0).await.iter().any(|it| it.hash == used.hash));
}

async fn a_hash_has_to_identify_its_text(env: Environment) {
    let format = format_of("letter", 1, "a");
    for wrong in [
        StoredFormat { text: "b".to_owned(), ..format.clone() },
        StoredFormat { hash: format.hash.to_uppercase(), ..format.clone() },
        StoredFormat { name: String::new(), ..format.clone() },
        StoredFormat { name: "n".repeat(100_000), ..format },
    ] {
        assert_eq!(store(&env, &[wrong]).await.unwrap_err().code, "LT-JNL-006");
    }
    assert_eq!(list(&env, "", 0).await, []);
}
