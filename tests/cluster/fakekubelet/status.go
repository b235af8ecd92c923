package fakekubelet

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// status is what a kubelet would report of the pod now.
func (p *pod) status() corev1.PodStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	started := metav1.NewTime(p.started)
	status := corev1.PodStatus{
		Phase:     p.phase(),
		StartTime: &started,
		HostIP:    "127.0.0.1",
		HostIPs:   []corev1.HostIP{{IP: "127.0.0.1"}},
		PodIP:     p.ip,
		PodIPs:    []corev1.PodIP{{IP: p.ip}},
	}
	for i := range p.spec.Spec.InitContainers {
		status.InitContainerStatuses = append(status.InitContainerStatuses, p.containerStatus(&p.spec.Spec.InitContainers[i]))
	}
	for i := range p.spec.Spec.Containers {
		status.ContainerStatuses = append(status.ContainerStatuses, p.containerStatus(&p.spec.Spec.Containers[i]))
	}
	for i := range p.spec.Spec.EphemeralContainers {
		spec := corev1.Container(p.spec.Spec.EphemeralContainers[i].EphemeralContainerCommon)
		status.EphemeralContainerStatuses = append(status.EphemeralContainerStatuses, p.containerStatus(&spec))
	}
	status.Conditions = p.conditions(status.Phase)
	return status
}

func (p *pod) phase() corev1.PodPhase {
	if p.failed {
		return corev1.PodFailed
	}
	phase := corev1.PodSucceeded
	for i := range p.spec.Spec.Containers {
		c := p.containers[p.spec.Spec.Containers[i].Name]
		if c == nil {
			return corev1.PodPending
		}
		end := c.end()
		if end == nil {
			return corev1.PodRunning
		}
		if end.code != 0 {
			phase = corev1.PodFailed
		}
	}
	return phase
}

func (p *pod) conditions(phase corev1.PodPhase) []corev1.PodCondition {
	at := metav1.NewTime(p.started)
	condition := func(kind corev1.PodConditionType, holds bool, reason string) corev1.PodCondition {
		c := corev1.PodCondition{Type: kind, Status: corev1.ConditionTrue, LastTransitionTime: at}
		if !holds {
			c.Status = corev1.ConditionFalse
			c.Reason = reason
		}
		return c
	}
	notReady := "ContainersNotReady"
	switch phase {
	case corev1.PodSucceeded:
		notReady = "PodCompleted"
	case corev1.PodFailed:
		notReady = "PodFailed"
	case corev1.PodPending, corev1.PodRunning, corev1.PodUnknown:
	}
	running := phase == corev1.PodRunning
	ready := running && p.getsReady()
	return []corev1.PodCondition{
		condition("PodReadyToStartContainers", running || phase == corev1.PodPending, ""),
		condition(corev1.PodInitialized, phase != corev1.PodPending && !p.failed, "ContainersNotInitialized"),
		condition(corev1.PodReady, ready, notReady),
		condition(corev1.ContainersReady, ready, notReady),
		condition(corev1.PodScheduled, true, ""),
	}
}

func (p *pod) containerStatus(spec *corev1.Container) corev1.ContainerStatus {
	c := p.containers[spec.Name]
	if c == nil {
		stopped := false
		return corev1.ContainerStatus{
			Name:    spec.Name,
			Image:   spec.Image,
			Started: &stopped,
			State:   corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "PodInitializing"}},
		}
	}
	end := c.end()
	up := end == nil
	status := corev1.ContainerStatus{
		Name:         spec.Name,
		Image:        spec.Image,
		ImageID:      "docker.io/library/test@sha256:" + digest(spec.Image),
		ContainerID:  c.id,
		Ready:        up && p.getsReady(),
		Started:      &up,
		RestartCount: p.restarts(),
	}
	started := metav1.NewTime(c.started)
	if up {
		status.State.Running = &corev1.ContainerStateRunning{StartedAt: started}
	} else {
		status.Ready = end.code == 0 && p.isInit(spec.Name)
		status.State.Terminated = &corev1.ContainerStateTerminated{
			ExitCode:    int32(end.code),
			Reason:      end.reason(),
			StartedAt:   started,
			FinishedAt:  metav1.NewTime(end.at),
			ContainerID: c.id,
		}
	}
	if p.restarts() > 0 {
		status.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{
			ExitCode: 1, Reason: "Error", StartedAt: started, FinishedAt: started, ContainerID: c.id,
		}
	}
	return status
}

func (p *pod) isInit(name string) bool {
	for i := range p.spec.Spec.InitContainers {
		if p.spec.Spec.InitContainers[i].Name == name {
			return true
		}
	}
	return false
}
