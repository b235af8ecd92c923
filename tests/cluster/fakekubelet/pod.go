package fakekubelet

import (
	"crypto/sha256"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Annotations by which a test shapes a pod that only pretends to run.
const (
	logAnnotation      = "tests.countersign/log"      // more lines for the first log
	restartsAnnotation = "tests.countersign/restarts" // a restart count, gives a previous log
	readyAnnotation    = "tests.countersign/ready"    // "false": runs, but never gets ready
)

// pod is one pod this kubelet has started.
type pod struct {
	kubelet  *kubelet
	spec     *corev1.Pod
	dir      string
	ip       string
	started  time.Time
	reported []byte // by the worker only

	mu         sync.Mutex
	stopped    bool
	failed     bool // an init container failed
	containers map[string]*container
	ports      map[int32]net.Listener
}

// startPod makes the pod's directory and starts its containers in their order.
func (k *kubelet) startPod(object *corev1.Pod) (*pod, error) {
	p := &pod{
		kubelet:    k,
		spec:       object.DeepCopy(),
		dir:        filepath.Join(k.dir, "pods", string(object.UID)),
		ip:         "127.0.0.1",
		started:    time.Now(),
		containers: map[string]*container{},
		ports:      map[int32]net.Listener{},
	}
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return nil, err
	}
	k.mu.Lock()
	if !object.Spec.HostNetwork {
		k.lastIP++
		p.ip = fmt.Sprintf("10.244.%d.%d", k.lastIP/250%256, k.lastIP%250+1)
	}
	k.pods[object.Namespace+"/"+object.Name] = p
	k.mu.Unlock()
	if len(object.Spec.InitContainers) == 0 {
		p.startContainers()
	} else {
		go p.initialize()
	}
	return p, nil
}

// initialize runs the init containers one after the other.
func (p *pod) initialize() {
	for i := range p.spec.Spec.InitContainers {
		spec := &p.spec.Spec.InitContainers[i]
		sidecar := spec.RestartPolicy != nil && *spec.RestartPolicy == corev1.ContainerRestartPolicyAlways
		c := p.startContainer(spec, endsAtOnce)
		if sidecar || c == nil {
			continue
		}
		if c.wait() != 0 {
			p.mu.Lock()
			p.failed = true
			p.mu.Unlock()
			p.changed()
			return
		}
	}
	p.startContainers()
	p.changed()
}

func (p *pod) startContainers() {
	way := staysUp
	if p.spec.Spec.RestartPolicy != corev1.RestartPolicyAlways {
		way = runsCommand
	}
	for i := range p.spec.Spec.Containers {
		p.startContainer(&p.spec.Spec.Containers[i], way)
	}
}

// startEphemeral starts what `kubectl debug` has added.
func (p *pod) startEphemeral(object *corev1.Pod) {
	for i := range object.Spec.EphemeralContainers {
		spec := corev1.Container(object.Spec.EphemeralContainers[i].EphemeralContainerCommon)
		if p.container(spec.Name) == nil {
			p.startContainer(&spec, runsCommand)
		}
	}
	p.mu.Lock()
	p.spec.Spec.EphemeralContainers = object.Spec.EphemeralContainers
	p.mu.Unlock()
}

// startContainer returns nil when the pod was stopped meanwhile. Starting asks
// the API server for volumes, so it happens outside the lock.
func (p *pod) startContainer(spec *corev1.Container, way lifetime) *container {
	c := newContainer(p, spec)
	p.mu.Lock()
	stopped := p.stopped
	if !stopped {
		p.containers[spec.Name] = c
	}
	p.mu.Unlock()
	if stopped {
		return nil
	}
	c.start(way)
	return c
}

func (p *pod) container(name string) *container {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.containers[name]
}

// changed has the worker report the pod again.
func (p *pod) changed() { p.kubelet.queue.Add(p.spec.Namespace + "/" + p.spec.Name) }

// stop ends every process and listener of the pod; it may be called twice.
func (p *pod) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	for _, c := range p.containers {
		c.stop()
	}
	for _, listener := range p.ports {
		listener.Close()
	}
	p.ports = map[int32]net.Listener{}
}

func (p *pod) restarts() int32 {
	count, err := strconv.ParseInt(p.spec.Annotations[restartsAnnotation], 10, 32)
	if err != nil {
		return 0
	}
	return int32(count)
}

func (p *pod) getsReady() bool { return p.spec.Annotations[readyAnnotation] != "false" }

func digest(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }
