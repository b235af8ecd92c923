//! Reflectors of kube-rs that stay in sync under masks, while what they hold is written past the
//! gateway.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::serde::Serialize;
use k8s_openapi::serde::de::DeserializeOwned;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::core::NamespaceResourceScope;
use kube::runtime::reflector::{Store, store};
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde_json::json;

const SECRET_MARK: &str = "countersign-masked:secret-like";
const MARK: &str = "countersign-masked:app";
/// How long a watch lasts, so that many begin and end.
const WATCH_SECONDS: u32 = 3;
const PATIENCE: Duration = Duration::from_secs(30);

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What is read under masks.
trait Masked:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + Send
    + Sync
    + Serialize
    + DeserializeOwned
    + 'static
{
    /// Puts the masks in place of the values.
    fn mask(&mut self);
}

impl Masked for Secret {
    fn mask(&mut self) {
        for value in self.data.iter_mut().flat_map(BTreeMap::values_mut) {
            *value = ByteString(SECRET_MARK.as_bytes().to_vec());
        }
    }
}

impl Masked for ConfigMap {
    fn mask(&mut self) {
        if let Some(value) = self.data.as_mut().and_then(|data| data.get_mut("token")) {
            MARK.clone_into(value);
        }
    }
}

/// A store and what went wrong while it was kept.
struct Kept<K: Masked> {
    title: String,
    store: Store<K>,
    faults: Arc<AtomicUsize>,
    direct: Api<K>,
}

impl<K: Masked> Kept<K> {
    fn start(
        through: &Client,
        direct: &Client,
        namespace: &str,
        config: watcher::Config,
        title: &str,
    ) -> Self {
        let (reader, writer) = store();
        let api: Api<K> = Api::namespaced(through.clone(), namespace);
        let faults = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&faults);
        let title = format!("{} by {title}", K::kind(&()));
        let name = title.clone();
        let changes =
            reflector(writer, watcher(api, config.timeout(WATCH_SECONDS))).default_backoff();
        tokio::spawn(changes.for_each(move |change| {
            if let Err(fault) = change {
                eprintln!("{name}: {fault:?}");
                counted.fetch_add(1, Ordering::Relaxed);
            }
            std::future::ready(())
        }));
        Self {
            title,
            store: reader,
            faults,
            direct: Api::namespaced(direct.clone(), namespace),
        }
    }

    /// Waits until the store holds what the API server holds.
    async fn in_sync(&self) -> Outcome<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let listed = self.direct.list(&ListParams::default()).await?;
            let masked = listed.items.into_iter().map(|mut object| {
                object.mask();
                object
            });
            let expected = by_name(masked)?;
            let found = by_name(self.store.state().iter().map(|object| K::clone(object)))?;
            if expected == found {
                println!("{}: {} in sync", self.title, found.len());
                break;
            }
            if Instant::now() > deadline {
                let of = |names: &BTreeMap<String, String>, name: &str| names.get(name).cloned();
                let names = expected.keys().chain(found.keys());
                let differs = |name: &&String| of(&expected, name) != of(&found, name);
                let name = names.into_iter().find(differs).cloned().unwrap_or_default();
                let (expected, found) = (of(&expected, &name), of(&found, &name));
                return Err(format!("{}: {found:?} is not {expected:?}", self.title).into());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        match self.faults.load(Ordering::Relaxed) {
            0 => Ok(()),
            count => Err(format!("{}: {count} faults", self.title).into()),
        }
    }
}

fn by_name<K: Masked>(objects: impl Iterator<Item = K>) -> Outcome<BTreeMap<String, String>> {
    let text = |object: K| Ok((object.name_any(), serde_json::to_string(&object)?));
    objects.map(text).collect()
}

async fn write<K: Masked>(
    api: &Api<K>,
    seconds: u64,
    body: impl Fn(usize) -> serde_json::Value,
) -> Outcome<()> {
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut count = 0;
    while Instant::now() < end {
        let name = format!("churned-{}", count % 10);
        let mut object = body(count);
        if api.get_opt(&name).await?.is_none() {
            object["metadata"] = json!({"name": name});
            api.create(&PostParams::default(), &serde_json::from_value(object)?)
                .await?;
        } else if count % 7 == 0 {
            api.delete(&name, &DeleteParams::default()).await?;
        } else {
            api.patch(&name, &PatchParams::default(), &Patch::Merge(object))
                .await?;
        }
        count += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("{}: {count} writes", K::kind(&()));
    Ok(())
}

/// Writes for so long and compares at the end.
pub async fn churn(
    through: &Client,
    direct: &Client,
    namespace: &str,
    seconds: u64,
) -> Outcome<()> {
    let list = watcher::Config::default;
    let stream = || watcher::Config::default().streaming_lists();
    let secrets = [
        Kept::<Secret>::start(through, direct, namespace, list(), "list and watch"),
        Kept::<Secret>::start(through, direct, namespace, stream(), "streamed list"),
    ];
    let maps = [
        Kept::<ConfigMap>::start(through, direct, namespace, list(), "list and watch"),
        Kept::<ConfigMap>::start(through, direct, namespace, stream(), "streamed list"),
    ];
    for kept in &secrets {
        tokio::time::timeout(PATIENCE, kept.store.wait_until_ready()).await??;
    }
    for kept in &maps {
        tokio::time::timeout(PATIENCE, kept.store.wait_until_ready()).await??;
    }
    let secret = |count: usize| json!({"stringData": {"password": format!("CaNaRy-{count}")}});
    let map = |count: usize| json!({"data": {"token": format!("CaNaRy-{count}"), "plain": count.to_string()}});
    let (one, other) = (
        Api::<Secret>::namespaced(direct.clone(), namespace),
        Api::<ConfigMap>::namespaced(direct.clone(), namespace),
    );
    tokio::try_join!(write(&one, seconds, secret), write(&other, seconds, map))?;
    for kept in &secrets {
        kept.in_sync().await?;
    }
    for kept in &maps {
        kept.in_sync().await?;
    }
    Ok(())
}
