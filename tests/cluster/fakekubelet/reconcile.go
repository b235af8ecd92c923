package fakekubelet

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"os"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
)

// reconcile brings one pod a step forward: bind it, start it, report it,
// confirm its deletion, or forget it.
func (k *kubelet) reconcile(ctx context.Context, key string) error {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return err
	}
	object, err := k.lister.Pods(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		k.forget(key, "")
		return nil
	}
	if err != nil {
		return err
	}
	k.forget(key, object.UID)
	switch {
	case object.Spec.NodeName == "":
		return k.bind(ctx, object)
	case object.Spec.NodeName != k.node:
		return nil
	case object.DeletionTimestamp != nil:
		return k.confirmDeletion(ctx, object)
	default:
		return k.runAndReport(ctx, object)
	}
}

// forget stops and removes the pod of that name unless it is the one given.
func (k *kubelet) forget(key string, keep types.UID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if p := k.pods[key]; p != nil && p.spec.UID != keep {
		delete(k.pods, key)
		p.stop()
		os.RemoveAll(p.dir)
	}
}

// bind is the whole scheduler: every pod that a default scheduler would
// consider for this node gets it.
func (k *kubelet) bind(ctx context.Context, object *corev1.Pod) error {
	if object.Spec.SchedulerName != corev1.DefaultSchedulerName ||
		len(object.Spec.SchedulingGates) > 0 || object.DeletionTimestamp != nil ||
		!selects(object.Spec.NodeSelector, k.nodeObject().Labels) {
		return nil
	}
	err := k.client.CoreV1().Pods(object.Namespace).Bind(ctx, &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Namespace: object.Namespace, Name: object.Name, UID: object.UID},
		Target:     corev1.ObjectReference{Kind: "Node", Name: k.node},
	}, metav1.CreateOptions{})
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return nil // bound or deleted meanwhile; the watch will tell
	}
	return err
}

func selects(selector, labels map[string]string) bool {
	for key, value := range selector {
		if labels[key] != value {
			return false
		}
	}
	return true
}

// confirmDeletion does what a kubelet does after the grace period, at once.
func (k *kubelet) confirmDeletion(ctx context.Context, object *corev1.Pod) error {
	if p := k.running(object.Namespace, object.Name, object.UID); p != nil {
		p.stop()
	}
	now := int64(0)
	err := k.client.CoreV1().Pods(object.Namespace).Delete(ctx, object.Name, metav1.DeleteOptions{
		GracePeriodSeconds: &now,
		Preconditions:      &metav1.Preconditions{UID: &object.UID},
	})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}

func (k *kubelet) runAndReport(ctx context.Context, object *corev1.Pod) error {
	p := k.running(object.Namespace, object.Name, object.UID)
	if p == nil {
		if object.Status.Phase == corev1.PodSucceeded || object.Status.Phase == corev1.PodFailed {
			return nil
		}
		started, err := k.startPod(object)
		if err != nil {
			return err
		}
		p = started
	}
	p.startEphemeral(object)
	return k.report(ctx, p)
}

// report patches the status when it differs from what was last reported, and
// not when it differs from what the API holds: a test may set a status by hand.
func (k *kubelet) report(ctx context.Context, p *pod) error {
	status, err := json.Marshal(map[string]any{"status": p.status()})
	if err != nil {
		return err
	}
	if bytes.Equal(status, p.reported) {
		return nil
	}
	_, err = k.client.CoreV1().Pods(p.spec.Namespace).Patch(ctx, p.spec.Name,
		types.StrategicMergePatchType, status, metav1.PatchOptions{}, "status")
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err == nil {
		p.reported = status
	}
	return err
}

// objects returns the API objects of the pods on this node, for `/pods`.
func (k *kubelet) objects() []corev1.Pod {
	k.mu.Lock()
	tracked := maps.Clone(k.pods)
	k.mu.Unlock()
	found := []corev1.Pod{}
	for _, p := range tracked {
		if object, err := k.lister.Pods(p.spec.Namespace).Get(p.spec.Name); err == nil {
			found = append(found, *object)
		}
	}
	return found
}
