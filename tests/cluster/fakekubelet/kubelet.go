// Package fakekubelet is a kubelet without a container runtime. Towards the
// API server it behaves as a node does: it registers, brings pods to Running,
// confirms deletions and serves logs, exec, attach and port-forward with the
// streaming code of Kubernetes itself. A "container" is a directory, a log
// file and perhaps a process of this machine.
//
// It is no sandbox. What it runs comes from a short list of harmless programs,
// with an empty environment and in a directory of its own.
package fakekubelet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/workqueue"
)

// Options say where the kubelet finds its cluster and keeps its pods.
type Options struct {
	Kubeconfig string
	Dir        string
	NodeName   string
	ClientCA   string
	ServingCRT string
	ServingKey string
}

type kubelet struct {
	client   kubernetes.Interface
	node     string
	dir      string
	port     int
	programs programs
	lister   corelisters.PodLister
	queue    workqueue.TypedRateLimitingInterface[string]

	mu     sync.Mutex
	pods   map[string]*pod // by namespace/name
	lastIP int
}

// Run serves until the context ends.
func Run(ctx context.Context, options Options) error {
	config, err := clientcmd.BuildConfigFromFlags("", options.Kubeconfig)
	if err != nil {
		return err
	}
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	allowed, err := linkPrograms(filepath.Join(options.Dir, "bin"))
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	k := &kubelet{
		client:   client,
		node:     options.NodeName,
		dir:      options.Dir,
		port:     listener.Addr().(*net.TCPAddr).Port,
		programs: allowed,
		pods:     map[string]*pod{},
		lastIP:   1,
		queue: workqueue.NewTypedRateLimitingQueue(
			workqueue.NewTypedItemExponentialFailureRateLimiter[string](20*time.Millisecond, 2*time.Second)),
	}
	defer k.stopAll()
	if err := k.register(ctx); err != nil {
		return fmt.Errorf("register the node: %w", err)
	}
	go k.heartbeat(ctx)
	if err := k.watchPods(ctx); err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- k.serve(listener, options) }()
	select {
	case <-ctx.Done():
		return nil
	case err := <-served:
		return err
	}
}

// serve speaks HTTP/1.1 only: the streaming protocols upgrade the connection,
// which HTTP/2 cannot.
func (k *kubelet) serve(listener net.Listener, options Options) error {
	certificate, err := tls.LoadX509KeyPair(options.ServingCRT, options.ServingKey)
	if err != nil {
		return err
	}
	pem, err := os.ReadFile(options.ClientCA)
	if err != nil {
		return err
	}
	clients := x509.NewCertPool()
	if !clients.AppendCertsFromPEM(pem) {
		return errors.New("the client CA file holds no certificate")
	}
	server := &http.Server{
		Handler: k.routes(),
		TLSConfig: &tls.Config{
			Certificates: []tls.Certificate{certificate},
			ClientCAs:    clients,
			ClientAuth:   tls.RequireAndVerifyClientCert,
			NextProtos:   []string{"http/1.1"},
		},
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	return server.ServeTLS(listener, "", "")
}

// watchPods starts the informer and one worker. One is enough, because no step
// of it waits for a container.
func (k *kubelet) watchPods(ctx context.Context) error {
	factory := informers.NewSharedInformerFactory(k.client, 0)
	informer := factory.Core().V1().Pods()
	k.lister = informer.Lister()
	enqueue := func(object any) {
		if key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(object); err == nil {
			k.queue.Add(key)
		}
	}
	if _, err := informer.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    enqueue,
		UpdateFunc: func(_, now any) { enqueue(now) },
		DeleteFunc: enqueue,
	}); err != nil {
		return err
	}
	factory.Start(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), informer.Informer().HasSynced) {
		return errors.New("the list of pods did not come")
	}
	go func() {
		<-ctx.Done()
		k.queue.ShutDown()
	}()
	go func() {
		for k.step(ctx) {
		}
	}()
	return nil
}

func (k *kubelet) step(ctx context.Context) bool {
	key, shutdown := k.queue.Get()
	if shutdown {
		return false
	}
	defer k.queue.Done(key)
	if err := k.reconcile(ctx, key); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", key, err)
		k.queue.AddRateLimited(key)
	} else {
		k.queue.Forget(key)
	}
	return true
}

func (k *kubelet) stopAll() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range k.pods {
		p.stop()
	}
}

// running returns the pod if this kubelet has started it; an empty uid matches
// any.
func (k *kubelet) running(namespace, name string, uid types.UID) *pod {
	k.mu.Lock()
	defer k.mu.Unlock()
	p := k.pods[namespace+"/"+name]
	if p == nil || (uid != "" && uid != p.spec.UID) {
		return nil
	}
	return p
}
