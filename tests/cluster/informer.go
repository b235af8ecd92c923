package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/remotecommand"
)

// informerSummary is the one line the client prints.
type informerSummary struct {
	Events                 map[string]int `json:"events"`   // list, add, update, delete
	Requests               map[string]int `json:"requests"` // list, watch, watch_list
	ContentTypes           map[string]int `json:"content_types"`
	Synced                 bool           `json:"synced"`
	PatchedResourceVersion string         `json:"patched_resource_version"`
	Patched                string         `json:"patched"`
	ExecWebSocket          string         `json:"exec_websocket"`
	ExecSPDY               string         `json:"exec_spdy"`
	Errors                 []string       `json:"errors"`
}

// testClient is a program as a user would write it with client-go: nothing in
// it knows of a gateway.
type testClient struct {
	config    *rest.Config
	client    kubernetes.Interface
	namespace string
	pod       string
	configMap string

	mu      sync.Mutex
	summary informerSummary
}

func runInformer() error {
	t := &testClient{summary: informerSummary{
		Events:       map[string]int{"list": 0, "add": 0, "update": 0, "delete": 0},
		Requests:     map[string]int{"list": 0, "watch": 0, "watch_list": 0},
		ContentTypes: map[string]int{},
		Errors:       []string{},
	}}
	flags := flag.NewFlagSet("informer", flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "how to reach the API server")
	flags.StringVar(&t.namespace, "namespace", "default", "namespace to work in")
	flags.StringVar(&t.pod, "pod", "informer-check", "pod to exec in; made, and deleted in the end, when absent")
	flags.StringVar(&t.configMap, "configmap", "informer-check", "ConfigMap to patch; made when absent")
	seconds := flags.Int("seconds", 5, "how long the informer runs after everything else is done")
	limit := flags.Duration("timeout", time.Minute, "time limit of everything but --seconds")
	flags.Parse(os.Args[1:])

	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return err
	}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return countingTripper{t, next} })
	t.config = config
	if t.client, err = kubernetes.NewForConfig(config); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), *limit)
	defer cancel()
	stopInformer := t.startInformer(ctx)
	t.note("patch", t.patchConfigMap(ctx))
	t.note("exec", t.execInPod(ctx))
	time.Sleep(time.Duration(*seconds) * time.Second)
	stopInformer()

	t.mu.Lock()
	defer t.mu.Unlock()
	if err := json.NewEncoder(os.Stdout).Encode(t.summary); err != nil {
		return err
	}
	if len(t.summary.Errors) > 0 {
		os.Exit(1)
	}
	return nil
}

func (t *testClient) note(step string, err error) {
	if err == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.summary.Errors = append(t.summary.Errors, step+": "+err.Error())
}

func (t *testClient) count(in map[string]int, what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	in[what]++
}

// startInformer returns once the first list is complete.
func (t *testClient) startInformer(ctx context.Context) (stop func()) {
	factory := informers.NewSharedInformerFactoryWithOptions(t.client, 0, informers.WithNamespace(t.namespace))
	informer := factory.Core().V1().Pods().Informer()
	informer.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) {
		t.note("informer", err)
	})
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(_ any, initial bool) {
			if initial {
				t.count(t.summary.Events, "list")
			} else {
				t.count(t.summary.Events, "add")
			}
		},
		UpdateFunc: func(any, any) { t.count(t.summary.Events, "update") },
		DeleteFunc: func(any) { t.count(t.summary.Events, "delete") },
	})
	t.note("informer", err)
	done := make(chan struct{})
	factory.Start(done)
	t.summary.Synced = cache.WaitForCacheSync(ctx.Done(), informer.HasSynced)
	if !t.summary.Synced {
		t.note("informer", errors.New("the first list did not come"))
	}
	return func() {
		close(done)
		factory.Shutdown()
	}
}

// patchConfigMap writes a new value with a merge patch and reads it back.
func (t *testClient) patchConfigMap(ctx context.Context) error {
	configMaps := t.client.CoreV1().ConfigMaps(t.namespace)
	_, err := configMaps.Get(ctx, t.configMap, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		fresh := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: t.configMap}}
		_, err = configMaps.Create(ctx, fresh, metav1.CreateOptions{})
	}
	if err != nil {
		return err
	}
	value := fmt.Sprintf("patched at %d", time.Now().UnixNano())
	patch, err := json.Marshal(map[string]any{"data": map[string]string{"note": value}})
	if err != nil {
		return err
	}
	patched, err := configMaps.Patch(ctx, t.configMap, types.MergePatchType, patch, metav1.PatchOptions{})
	if err != nil {
		return err
	}
	t.summary.PatchedResourceVersion = patched.ResourceVersion
	t.summary.Patched = patched.Data["note"]
	if patched.Data["note"] != value {
		return fmt.Errorf("the answer holds %q", patched.Data["note"])
	}
	return nil
}

// execInPod runs the same command over both transports of client-go.
func (t *testClient) execInPod(ctx context.Context) error {
	made, err := t.ensurePod(ctx)
	if err != nil {
		return err
	}
	if made {
		defer func() {
			t.note("delete pod", t.client.CoreV1().Pods(t.namespace).Delete(ctx, t.pod, metav1.DeleteOptions{}))
		}()
	}
	url := t.client.CoreV1().RESTClient().Post().Resource("pods").Namespace(t.namespace).Name(t.pod).
		SubResource("exec").VersionedParams(&corev1.PodExecOptions{
		Command: []string{"echo", "hello"}, Stdout: true, Stderr: true,
	}, scheme.ParameterCodec).URL()

	webSocket, err := remotecommand.NewWebSocketExecutor(t.config, http.MethodGet, url.String())
	if err != nil {
		return err
	}
	t.summary.ExecWebSocket, err = execOutput(ctx, webSocket)
	t.note("exec over WebSocket", err)
	spdy, err := remotecommand.NewSPDYExecutor(t.config, http.MethodPost, url)
	if err != nil {
		return err
	}
	t.summary.ExecSPDY, err = execOutput(ctx, spdy)
	t.note("exec over SPDY", err)
	return nil
}

func execOutput(ctx context.Context, executor remotecommand.Executor) (string, error) {
	var stdout, stderr bytes.Buffer
	err := executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: &stdout, Stderr: &stderr})
	if err == nil && stdout.String() != "hello\n" {
		err = fmt.Errorf("printed %q, and %q as errors", stdout.String(), stderr.String())
	}
	return stdout.String(), err
}

// ensurePod waits until the pod runs and says whether it had to be made.
func (t *testClient) ensurePod(ctx context.Context) (bool, error) {
	pods := t.client.CoreV1().Pods(t.namespace)
	_, err := pods.Get(ctx, t.pod, metav1.GetOptions{})
	made := apierrors.IsNotFound(err)
	if made {
		_, err = pods.Create(ctx, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: t.pod},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "busybox"}}},
		}, metav1.CreateOptions{})
	}
	if err != nil {
		return false, err
	}
	for {
		pod, err := pods.Get(ctx, t.pod, metav1.GetOptions{})
		if err != nil {
			return made, err
		}
		if pod.Status.Phase == corev1.PodRunning {
			return made, nil
		}
		select {
		case <-ctx.Done():
			return made, fmt.Errorf("pod %s is %s", t.pod, pod.Status.Phase)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// countingTripper counts what the client really asked for and got. It has to
// hand on the response as it is, because exec upgrades the connection.
type countingTripper struct {
	client *testClient
	next   http.RoundTripper
}

func (c countingTripper) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := c.next.RoundTrip(request)
	if strings.HasSuffix(request.URL.Path, "/pods") && request.Method == http.MethodGet {
		query := request.URL.Query()
		switch {
		case query.Get("sendInitialEvents") == "true":
			c.client.count(c.client.summary.Requests, "watch_list")
		case query.Get("watch") == "true":
			c.client.count(c.client.summary.Requests, "watch")
		default:
			c.client.count(c.client.summary.Requests, "list")
		}
	}
	if err == nil && response.StatusCode != http.StatusSwitchingProtocols {
		kind := fmt.Sprintf("%d %s", response.StatusCode, response.Header.Get("Content-Type"))
		c.client.count(c.client.summary.ContentTypes, kind)
	}
	return response, err
}
