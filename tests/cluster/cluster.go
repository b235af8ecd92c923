package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

const nodeName = "node-1"

// cluster is the state of one `up`.
type cluster struct {
	options  upOptions
	pki      pki
	etcdPort portReservation
	peerPort portReservation
	port     portReservation
	parts    []*part // in the order of their start
}

func newCluster(options upOptions) (*cluster, error) {
	c := &cluster{options: options}
	for _, port := range []*portReservation{&c.etcdPort, &c.peerPort, &c.port} {
		reserved, err := reservePort()
		if err != nil {
			return nil, err
		}
		*port = reserved
	}
	if err := c.prepareDir(); err != nil {
		return nil, err
	}
	made, err := loadOrMakePKI(c.path("pki"))
	if err != nil {
		return nil, err
	}
	c.pki = made
	return c, c.writeKubeconfigs()
}

func (c *cluster) path(elements ...string) string {
	return filepath.Join(append([]string{c.options.dir}, elements...)...)
}

func (c *cluster) server() string {
	return fmt.Sprintf("https://127.0.0.1:%d", c.port.port)
}

// prepareDir removes what an earlier run left and must not be mistaken for
// this run's.
func (c *cluster) prepareDir() error {
	stale := []string{"ready", "cluster.json", "kubelet"}
	if !c.options.keepData {
		stale = append(stale, "etcd", "logs", "audit")
	}
	for _, name := range stale {
		if err := os.RemoveAll(c.path(name)); err != nil {
			return err
		}
	}
	for _, name := range []string{"logs", "audit", "kubelet"} {
		if err := os.MkdirAll(c.path(name), 0o755); err != nil {
			return err
		}
	}
	return os.WriteFile(c.path("audit", "policy.yaml"), []byte(auditPolicy), 0o644)
}

// auditPolicy records every request at all stages: the API server's own view
// of a request is the oracle of many tests.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- level: Metadata
`

func (c *cluster) etcdFlags() []string {
	return []string{
		"--dir=" + c.path("etcd"),
		fmt.Sprintf("--client-port=%d", c.etcdPort.port),
		fmt.Sprintf("--peer-port=%d", c.peerPort.port),
	}
}

func (c *cluster) apiserverFlags() []string {
	return flagList{
		fmt.Sprintf("--etcd-servers=http://127.0.0.1:%d", c.etcdPort.port),
		"--bind-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", c.port.port),
		"--permit-port-sharing=true", // see portReservation
		"--advertise-address=127.0.0.1",
		"--endpoint-reconciler-type=none",
		"--tls-cert-file=" + c.pki.cert(apiserverName),
		"--tls-private-key-file=" + c.pki.key(apiserverName),
		"--client-ca-file=" + c.pki.cert(caName),
		"--authorization-mode=RBAC",
		"--service-cluster-ip-range=10.0.0.0/24",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + filepath.Join(c.pki.dir, serviceAccountName+".pub"),
		"--service-account-signing-key-file=" + c.pki.key(serviceAccountName),
		"--allow-privileged=true",
		"--audit-policy-file=" + c.path("audit", "policy.yaml"),
		"--audit-log-path=" + c.auditLog(),
		"--audit-log-mode=blocking",
		"--kubelet-certificate-authority=" + c.pki.cert(caName),
		"--kubelet-client-certificate=" + c.pki.cert(apiserverKubeletName),
		"--kubelet-client-key=" + c.pki.key(apiserverKubeletName),
		"--kubelet-preferred-address-types=InternalIP",
		"--requestheader-client-ca-file=" + c.pki.cert(frontProxyCAName),
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + c.pki.cert(frontProxyName),
		"--proxy-client-key-file=" + c.pki.key(frontProxyName),
	}.overridden(c.options.apiserverArgs)
}

// controllerNames are those a test can notice. The node lifecycle controller
// is not among them: one fake node needs no watching.
var controllerNames = []string{
	"serviceaccount-controller", "serviceaccount-token-controller",
	"root-ca-certificate-publisher-controller", "namespace-controller",
	"garbage-collector-controller", "clusterrole-aggregation-controller",
	"deployment-controller", "replicaset-controller", "statefulset-controller",
	"daemonset-controller", "job-controller", "cronjob-controller",
	"disruption-controller", "horizontal-pod-autoscaler-controller",
	"endpoints-controller", "endpointslice-controller",
}

func (c *cluster) controllersFlags() []string {
	return flagList{
		"--kubeconfig=" + c.path("pki", "controllers.kubeconfig"),
		"--controllers=" + strings.Join(controllerNames, ","),
		"--service-account-private-key-file=" + c.pki.key(serviceAccountName),
		"--root-ca-file=" + c.pki.cert(caName),
		"--use-service-account-credentials=true",
		"--leader-elect=false",
		"--secure-port=0",
	}.overridden(c.options.controllersArgs)
}

func (c *cluster) kubeletFlags() []string {
	return []string{
		"--kubeconfig=" + c.path("pki", "kubelet.kubeconfig"),
		"--dir=" + c.path("kubelet"),
		"--node-name=" + nodeName,
		"--client-ca-file=" + c.pki.cert(caName),
		"--tls-cert-file=" + c.pki.cert(kubeletServingName),
		"--tls-private-key-file=" + c.pki.key(kubeletServingName),
	}
}

func (c *cluster) auditLog() string {
	for _, argument := range c.options.apiserverArgs {
		if path, ok := strings.CutPrefix(argument, "--audit-log-path="); ok {
			return path
		}
	}
	return c.path("audit", "apiserver.jsonl")
}

// start brings up the parts in order and waits until a client would find the
// cluster usable. An interrupt ends the wait.
func (c *cluster) start(interrupted <-chan os.Signal) error {
	logs := c.path("logs")
	c.parts = []*part{
		newPart("etcd", logs, c.etcdFlags()),
		newPart("apiserver", logs, c.apiserverFlags()),
	}
	if !c.options.noControllers {
		c.parts = append(c.parts, newPart("controllers", logs, c.controllersFlags()))
	}
	if !c.options.noKubelet {
		c.parts = append(c.parts, newPart("kubelet", logs, c.kubeletFlags()))
	}
	if err := c.startParts(interrupted, c.parts); err != nil {
		return err
	}
	return c.publish()
}

// restartDead starts again what was killed, on the same ports.
func (c *cluster) restartDead(interrupted <-chan os.Signal) error {
	var dead []*part
	for _, p := range c.parts {
		if !p.running() {
			dead = append(dead, p)
		}
	}
	if err := os.RemoveAll(c.path("ready")); err != nil {
		return err
	}
	if err := c.startParts(interrupted, dead); err != nil {
		return err
	}
	return c.publish()
}

func (c *cluster) startParts(interrupted <-chan os.Signal, parts []*part) error {
	client, err := c.adminClient()
	if err != nil {
		return err
	}
	deadline := time.Now().Add(c.options.timeout)
	for _, p := range parts {
		if err := p.start(); err != nil {
			return err
		}
		if ready := c.readiness(p.name, client); ready != nil {
			if err := c.wait(interrupted, deadline, ready); err != nil {
				return err
			}
		}
	}
	return c.wait(interrupted, deadline, c.usable(client))
}

// check says whether a wait is over; its error is shown when time runs out.
type check func(context.Context) error

// readiness is what has to hold before the next part starts. The controllers
// give up when the API server is not healthy soon after their start.
func (c *cluster) readiness(name string, client kubernetes.Interface) check {
	switch name {
	case "etcd":
		return func(ctx context.Context) error {
			return getOK(ctx, fmt.Sprintf("http://127.0.0.1:%d/health", c.etcdPort.port))
		}
	case "apiserver":
		return func(ctx context.Context) error {
			return client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
		}
	default:
		return nil
	}
}

// usable holds when a pod created now in namespace default would run.
func (c *cluster) usable(client kubernetes.Interface) check {
	return func(ctx context.Context) error {
		if err := c.defaultServiceAccount(ctx, client); err != nil {
			return err
		}
		if c.options.noKubelet {
			return nil
		}
		node, err := client.CoreV1().Nodes().Get(ctx, nodeName, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, condition := range node.Status.Conditions {
			if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue {
				return nil
			}
		}
		return errors.New("node is not Ready")
	}
}

// defaultServiceAccount waits for the controller that makes it, or makes it
// where no controller runs.
func (c *cluster) defaultServiceAccount(ctx context.Context, client kubernetes.Interface) error {
	accounts := client.CoreV1().ServiceAccounts(metav1.NamespaceDefault)
	_, err := accounts.Get(ctx, "default", metav1.GetOptions{})
	if c.options.noControllers && apierrors.IsNotFound(err) {
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
		_, err = accounts.Create(ctx, account, metav1.CreateOptions{})
	}
	return err
}

func (c *cluster) wait(interrupted <-chan os.Signal, deadline time.Time, holds check) error {
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		missing := holds(ctx)
		cancel()
		if missing == nil {
			return nil
		}
		for _, p := range c.parts {
			if p.process != nil && !p.running() {
				return p.died()
			}
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not ready after %s: %w", c.options.timeout, missing)
		}
		select {
		case <-interrupted:
			return errors.New("told to stop before it was ready")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// stop ends clients before servers. Half a minute of graceful draining would
// help nobody here.
func (c *cluster) stop() {
	if len(c.parts) == 0 {
		return
	}
	os.Remove(c.path("ready"))
	stop(3*time.Second, c.parts[1:]...)
	stop(3*time.Second, c.parts[0])
	os.Remove(c.path("cluster.json"))
}

func (c *cluster) adminClient() (kubernetes.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", c.adminKubeconfig())
	if err != nil {
		return nil, err
	}
	config.QPS = -1
	return kubernetes.NewForConfig(config)
}

func getOK(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, response.Status)
	}
	return nil
}
