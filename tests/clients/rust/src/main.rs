//! kube-rs through the gateway: create, list, watch, patch, exec, logs, delete.
//!
//! Usage: `KUBECONFIG=FILE kube-check NAMESPACE POD`. Prints what it did, one word a line; fails
//! where something is not as the API server itself would have it.
//! Or: `KUBECONFIG=FILE kube-check churn NAMESPACE SECONDS DIRECT`, where DIRECT is a kubeconfig past
//! the gateway.

mod churn;

use std::error::Error;
use std::pin::pin;
use std::time::Duration;

use futures::TryStreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::api::{AttachParams, DeleteParams, ListParams, LogParams, Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::json;
use tokio::io::AsyncReadExt;

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let client = Client::try_default().await?;
    let (namespace, pod) = match arguments.as_slice() {
        [word, namespace, seconds, direct] if word == "churn" => {
            let direct = Kubeconfig::read_from(direct)?;
            let config = Config::from_custom_kubeconfig(direct, &KubeConfigOptions::default()).await?;
            return churn::churn(&client, &Client::try_from(config)?, namespace, seconds.parse()?).await;
        }
        [namespace, pod] => (namespace.clone(), pod.clone()),
        _ => return Err("usage: kube-check NAMESPACE POD | churn NAMESPACE SECONDS DIRECT".into()),
    };
    tokio::time::timeout(PATIENCE, objects(&client, &namespace)).await??;
    tokio::time::timeout(PATIENCE, sessions(&client, &namespace, &pod)).await??;
    let secrets: Api<Secret> = Api::namespaced(client, &namespace);
    match secrets.get("any").await {
        Err(kube::Error::Api(status)) if status.code == 403 => println!("denied"),
        other => return Err(format!("a denied read: {other:?}").into()),
    }
    Ok(())
}

async fn objects(client: &Client, namespace: &str) -> Result<(), Box<dyn Error>> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let map: ConfigMap = serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "rust"}, "data": {"k": "1"},
    }))?;
    maps.create(&PostParams::default(), &map).await?;
    println!("created");
    let listed = maps.list(&ListParams::default()).await?;
    if !listed.items.iter().any(|map| map.metadata.name.as_deref() == Some("rust")) {
        return Err("the list lacks what was created".into());
    }
    println!("listed");
    let config = watcher::Config::default().fields("metadata.name=rust");
    let mut changes = pin!(watcher(maps.clone(), config).applied_objects());
    let patch = Patch::Merge(json!({"data": {"k": "2"}}));
    maps.patch("rust", &PatchParams::default(), &patch).await?;
    println!("patched");
    let value = |map: &ConfigMap| map.data.as_ref().and_then(|data| data.get("k").cloned());
    while let Some(map) = changes.try_next().await? {
        if value(&map).as_deref() == Some("2") {
            println!("watched");
            break;
        }
    }
    let apply = PatchParams::apply("kube-check").force();
    let whole = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "rust"}, "data": {"k": "3"},
    });
    let applied = maps.patch("rust", &apply, &Patch::Apply(whole)).await?;
    if value(&applied).as_deref() != Some("3") {
        return Err("server-side apply did not take".into());
    }
    println!("applied");
    maps.delete("rust", &DeleteParams::default()).await?;
    println!("deleted");
    Ok(())
}

async fn sessions(client: &Client, namespace: &str, pod: &str) -> Result<(), Box<dyn Error>> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let mut session = pods.exec(pod, ["echo", "hello"], &AttachParams::default()).await?;
    let mut said = String::new();
    let mut stdout = session.stdout().ok_or("no stdout")?;
    stdout.read_to_string(&mut said).await?;
    if said != "hello\n" {
        return Err(format!("exec said {said:?}").into());
    }
    println!("exec");
    if pods.logs(pod, &LogParams::default()).await?.is_empty() {
        return Err("no logs".into());
    }
    println!("log");
    Ok(())
}
