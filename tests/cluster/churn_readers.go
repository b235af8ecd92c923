package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

const (
	jsonMedia     = "application/json"
	protobufMedia = "application/vnd.kubernetes.protobuf"
	// How long a watch lasts where the client says so. Elsewhere it lasts until the gateway ends it.
	churnWatchSeconds = 5
	// Of so many watches the last begins at the first version there was. Where that is gone, the API
	// server says so within the stream; where it is not, everything happens once more.
	churnRewindEvery = 3
)

// churnInformer is one informer through the gateway.
type churnInformer struct {
	Kind      string         `json:"kind"`
	Asked     string         `json:"asked"` // media type
	Size      int            `json:"size"`
	InSync    bool           `json:"in_sync"`
	Events    map[string]int `json:"events"`
	Requests  map[string]int `json:"requests"` // list, watch, watch_list
	Answers   map[string]int `json:"answers"`
	Expired   int            `json:"expired"`    // watches that the API server refused as too late
	Relists   int            `json:"relists"`    // lists after the first
	WatchEnds []string       `json:"watch_ends"` // what the informer calls errors

	kind     churnKind
	ownEnd   bool
	streams  int
	informer cache.SharedIndexInformer
	mu       sync.Mutex
}

func (i *churnInformer) title() string { return i.Kind + " as " + i.Asked }

func (i *churnInformer) count(in map[string]int, what string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	in[what]++
}

// startInformers starts one informer a kind and media type and waits for their first lists.
func (c *churn) startInformers(ctx context.Context, stop <-chan struct{}) error {
	for _, kind := range churnKinds {
		for _, media := range []string{jsonMedia, protobufMedia} {
			if kind.custom && media == protobufMedia {
				continue
			}
			informer := &churnInformer{
				Kind: kind.resource.Resource, Asked: media, kind: kind, ownEnd: media == jsonMedia,
				Events:    map[string]int{"add": 0, "update": 0, "delete": 0},
				Requests:  map[string]int{"list": 0, "watch": 0, "watch_list": 0},
				Answers:   map[string]int{},
				WatchEnds: []string{},
			}
			if err := informer.start(c, stop); err != nil {
				return err
			}
			c.summary.Informers = append(c.summary.Informers, informer)
		}
	}
	for _, informer := range c.summary.Informers {
		if !cache.WaitForCacheSync(ctx.Done(), informer.informer.HasSynced) {
			return fmt.Errorf("%s: the first list did not come", informer.title())
		}
	}
	return nil
}

func (i *churnInformer) start(c *churn, stop <-chan struct{}) error {
	config := rest.CopyConfig(c.through)
	config.ContentType, config.AcceptContentTypes = i.Asked, i.Asked
	if i.Asked == protobufMedia {
		config.AcceptContentTypes += "," + jsonMedia
	}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return churnTripper{i, next} })
	if i.kind.custom {
		client, err := dynamic.NewForConfig(config)
		if err != nil {
			return err
		}
		i.informer = dynamicinformer.NewFilteredDynamicInformer(
			client, i.kind.resource, c.namespace, 0, cache.Indexers{}, i.tweak).Informer()
	} else {
		client, err := kubernetes.NewForConfig(config)
		if err != nil {
			return err
		}
		factory := informers.NewSharedInformerFactoryWithOptions(client, 0,
			informers.WithNamespace(c.namespace), informers.WithTweakListOptions(i.tweak))
		generic, err := factory.ForResource(i.kind.resource)
		if err != nil {
			return err
		}
		i.informer = generic.Informer()
	}
	err := i.informer.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.WatchEnds = append(i.WatchEnds, err.Error())
	})
	if err != nil {
		return err
	}
	_, err = i.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { i.count(i.Events, "add") },
		UpdateFunc: func(any, any) { i.count(i.Events, "update") },
		DeleteFunc: func(any) { i.count(i.Events, "delete") },
	})
	go i.informer.Run(stop)
	return err
}

// tweak sees the options of each request before it is sent.
func (i *churnInformer) tweak(options *metav1.ListOptions) {
	if options.TimeoutSeconds == nil {
		return // a list
	}
	if i.ownEnd {
		seconds := int64(churnWatchSeconds)
		options.TimeoutSeconds = &seconds
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.streams++
	if options.SendInitialEvents == nil && i.streams%churnRewindEvery == 0 {
		options.ResourceVersion = "1"
	}
}

// difference says by which object the store differs.
func (i *churnInformer) difference(expected map[string]string) (string, error) {
	found := map[string]string{}
	for _, decoded := range i.informer.GetStore().List() {
		object := decoded.(metav1.Object)
		text, err := plainTextOf(decoded)
		if err != nil {
			return "", err
		}
		found[object.GetName()] = text
	}
	i.mu.Lock()
	i.Size = len(found)
	i.mu.Unlock()
	return firstDifference(expected, found), nil
}

// reportInformers adds up what was asked. A list more than was provoked is a fault: informers that
// list again and again bring a cluster down.
func (c *churn) reportInformers() {
	for _, informer := range c.summary.Informers {
		informer.mu.Lock()
		lists := informer.Requests["list"]
		if c.watchList {
			lists = informer.Requests["watch_list"]
		}
		informer.Relists = lists - 1
		surplus := informer.Relists - informer.Expired
		informer.mu.Unlock()
		if surplus > 0 {
			c.note(informer.title(), fmt.Errorf("listed %d times more than it had to", surplus))
		}
		if balance := informer.Events["add"] - informer.Events["delete"]; balance != informer.Size {
			c.note(informer.title(), fmt.Errorf("%d objects by events, %d in the store", balance, informer.Size))
		}
		for answer := range informer.Answers {
			media := jsonMedia
			if !informer.kind.masked {
				media = informer.Asked
			}
			if !strings.HasPrefix(answer, "200 "+media) {
				c.note(informer.title(), fmt.Errorf("was answered %s", answer))
			}
		}
	}
}

// churnTripper counts what an informer asked for and got.
type churnTripper struct {
	informer *churnInformer
	next     http.RoundTripper
}

func (t churnTripper) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := t.next.RoundTrip(request)
	query := request.URL.Query()
	switch {
	case query.Get("sendInitialEvents") == "true":
		t.informer.count(t.informer.Requests, "watch_list")
	case query.Get("watch") == "true":
		t.informer.count(t.informer.Requests, "watch")
	default:
		t.informer.count(t.informer.Requests, "list")
	}
	if err == nil {
		t.informer.count(t.informer.Answers, fmt.Sprintf("%d %s", response.StatusCode, response.Header.Get("Content-Type")))
		response.Body = &churnBody{ReadCloser: response.Body, informer: t.informer}
	}
	return response, err
}

// churnBody counts the errors 410 in a stream, in JSON and protobuf alike. Such an event comes alone
// and is small, so it comes in one piece.
type churnBody struct {
	io.ReadCloser
	informer *churnInformer
}

func (b *churnBody) Read(into []byte) (int, error) {
	count, err := b.ReadCloser.Read(into)
	if bytes.Contains(into[:count], []byte("Expired")) {
		b.informer.mu.Lock()
		b.informer.Expired++
		b.informer.mu.Unlock()
	}
	return count, err
}

// churnFollower is a bare watch of a kind, direct and through the gateway: every event must be the
// same, in the same order.
type churnFollower struct {
	Kind      string         `json:"kind"`
	Events    map[string]int `json:"events"`  // through, by type
	Watches   int            `json:"watches"` // through
	Identical bool           `json:"identical"`

	direct, through churnSequence
}

type churnSequence struct {
	events  []churnEvent
	types   map[string]int
	watches int
}

type churnEvent struct {
	kind   watch.EventType
	name   string
	digest [sha256.Size]byte
}

// startFollowers returns a function that waits for the last event of all.
func (c *churn) startFollowers(ctx context.Context) (func(), error) {
	through, err := dynamic.NewForConfig(c.through)
	if err != nil {
		return nil, err
	}
	var group sync.WaitGroup
	for _, kind := range churnKinds {
		follower := &churnFollower{Kind: kind.resource.Resource}
		c.summary.Followers = append(c.summary.Followers, follower)
		direct := c.direct.Resource(kind.resource).Namespace(c.namespace)
		list, err := direct.List(ctx, metav1.ListOptions{Limit: 1})
		if err != nil {
			return nil, err
		}
		from := list.GetResourceVersion()
		follow := func(title string, sequence *churnSequence, client dynamic.ResourceInterface, text func(*unstructured.Unstructured) (string, error)) {
			sequence.types = map[string]int{}
			group.Go(func() { c.note(title+" "+kind.kind, sequence.follow(ctx, client, from, text)) })
		}
		follow("direct", &follower.direct, direct, func(object *unstructured.Unstructured) (string, error) {
			return kind.maskedText(object.Object)
		})
		follow("through", &follower.through, through.Resource(kind.resource).Namespace(c.namespace),
			func(object *unstructured.Unstructured) (string, error) { return plainText(object.Object) })
	}
	return group.Wait, nil
}

// follow watches again and again, each time from where the last watch ended, up to the object that
// is written last.
func (s *churnSequence) follow(ctx context.Context, client dynamic.ResourceInterface, from string,
	text func(*unstructured.Unstructured) (string, error)) error {
	seconds := int64(churnWatchSeconds)
	for {
		watching, err := client.Watch(ctx, metav1.ListOptions{
			ResourceVersion: from, AllowWatchBookmarks: true, TimeoutSeconds: &seconds,
		})
		if err != nil {
			return err
		}
		s.watches++
		for event := range watching.ResultChan() {
			object, is := event.Object.(*unstructured.Unstructured)
			if event.Type == watch.Error || !is {
				return fmt.Errorf("an event %s: %v", event.Type, describe(event.Object))
			}
			from = object.GetResourceVersion()
			s.types[string(event.Type)]++
			if event.Type == watch.Bookmark {
				continue
			}
			name := object.GetName()
			plain, err := text(object)
			if err != nil {
				return err
			}
			s.events = append(s.events, churnEvent{event.Type, name, sha256.Sum256([]byte(plain))})
			if name == churnEnd {
				watching.Stop()
				return nil
			}
		}
		if ctx.Err() != nil {
			return fmt.Errorf("the last event did not come: %w", ctx.Err())
		}
		// The gateway and the API server may end a watch at once; nobody asks faster than this.
		time.Sleep(10 * time.Millisecond)
	}
}

func describe(object runtime.Object) string {
	if status, is := object.(*metav1.Status); is {
		return status.Message
	}
	return fmt.Sprintf("%v", object)
}

func (c *churn) compareFollowers() {
	for _, follower := range c.summary.Followers {
		follower.Events, follower.Watches = follower.through.types, follower.through.watches
		direct, through := follower.direct.events, follower.through.events
		follower.Identical = len(direct) == len(through)
		for at := range min(len(direct), len(through)) {
			if direct[at] != through[at] {
				c.note(follower.Kind, fmt.Errorf("event %d is %s %s and not %s %s", at,
					through[at].kind, through[at].name, direct[at].kind, direct[at].name))
				follower.Identical = false
				break
			}
		}
		if !follower.Identical && len(direct) != len(through) {
			c.note(follower.Kind, fmt.Errorf("%d events instead of %d", len(through), len(direct)))
		}
	}
}
