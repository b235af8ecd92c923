# Chooses the Kubernetes version by $K8S; sourced by the scripts beside it.
# Sets `modfile` and `version`.
case "${K8S:-1.36}" in
1.36) modfile=go.mod ;;
1.37) modfile=go-1.37.mod ;;
*)
    echo "K8S=$K8S: known are 1.36 and 1.37" >&2
    exit 2
    ;;
esac
version=$(awk '$1 == "k8s.io/kubernetes" { print $2; exit }' "$modfile")
