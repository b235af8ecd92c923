package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/features"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

const (
	// How many names a kind has at most, so that most are made, changed and deleted many times.
	churnNames = 25
	// How long the end may take: the last event, the last status of the controllers.
	churnPatience = time.Minute
	// How many lines of client-go's log are kept.
	churnLogLines = 50
)

// churnSummary is the one line the program prints.
type churnSummary struct {
	Seconds   int                       `json:"seconds"`
	Writes    map[string]map[string]int `json:"writes"` // by kind and verb
	Informers []*churnInformer          `json:"informers"`
	Followers []*churnFollower          `json:"followers"`
	Log       []string                  `json:"log"`
	Errors    []string                  `json:"errors"`
}

// churn writes past the gateway and reads through it.
type churn struct {
	direct    dynamic.Interface
	through   *rest.Config
	namespace string
	watchList bool

	mu      sync.Mutex
	summary churnSummary
}

func runChurn() error {
	c := &churn{summary: churnSummary{Writes: map[string]map[string]int{}, Log: []string{}, Errors: []string{}}}
	flags := flag.NewFlagSet("churn", flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "how readers reach the API server")
	direct := flags.String("direct", "", "how the writer reaches it")
	flags.StringVar(&c.namespace, "namespace", "default", "namespace to work in")
	duration := flags.Duration("duration", 20*time.Second, "how long is written")
	rate := flags.Int("rate", 20, "writes a second")
	flags.BoolVar(&c.watchList, "watch-list", true, "whether informers list by watching")
	flags.Parse(os.Args[1:])

	// Not by an environment variable: what else is linked in here has gates of its own.
	features.ReplaceFeatureGates(churnGates{features.FeatureGates(), c.watchList})
	klog.LogToStderr(false)
	klog.SetOutput(churnLog{c})

	config, err := clientcmd.BuildConfigFromFlags("", *direct)
	if err != nil {
		return err
	}
	config.QPS = -1
	if c.direct, err = dynamic.NewForConfig(config); err != nil {
		return err
	}
	if c.through, err = clientcmd.BuildConfigFromFlags("", *kubeconfig); err != nil {
		return err
	}
	c.through.QPS = -1
	// Told with every answer; what they say is tested with kubectl.
	c.through.WarningHandler = rest.NoWarnings{}
	c.summary.Seconds = int(duration.Seconds())
	if err := c.run(*duration, *rate); err != nil {
		c.note("churn", err)
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	if err := json.NewEncoder(os.Stdout).Encode(&c.summary); err != nil {
		return err
	}
	if len(c.summary.Errors) > 0 {
		os.Exit(1)
	}
	return nil
}

// churnGates decides how informers list.
type churnGates struct {
	features.Gates
	watchList bool
}

func (g churnGates) Enabled(feature features.Feature) bool {
	if feature == features.WatchListClient {
		return g.watchList
	}
	return g.Gates.Enabled(feature)
}

func (c *churn) run(duration time.Duration, rate int) error {
	ctx, cancel := context.WithTimeout(context.Background(), duration+3*churnPatience)
	defer cancel()
	writer := newChurnWriter(c)
	for range 10 * len(churnKinds) {
		if err := writer.write(ctx); err != nil {
			return err
		}
	}
	stop := make(chan struct{})
	defer close(stop)
	if err := c.startInformers(ctx, stop); err != nil {
		return err
	}
	followed, err := c.startFollowers(ctx)
	if err != nil {
		return err
	}
	if err := writer.writeFor(ctx, duration, rate); err != nil {
		return err
	}
	if err := writer.writeEnd(ctx); err != nil {
		return err
	}
	followed()
	c.compareFollowers()
	c.awaitStores(ctx)
	c.reportInformers()
	return nil
}

func (c *churn) note(step string, err error) {
	if err == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.summary.Errors = append(c.summary.Errors, step+": "+err.Error())
}

// list gives the objects of a kind as the API server has them, masked by the oracle, by name.
func (c *churn) list(ctx context.Context, kind churnKind) (map[string]string, error) {
	list, err := c.direct.Resource(kind.resource).Namespace(c.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, item := range list.Items {
		if found[item.GetName()], err = kind.maskedText(item.Object); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// awaitStores waits until every store holds what the API server holds. Controllers may still be at
// work when the last write is done, so both are read again until they agree.
func (c *churn) awaitStores(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, churnPatience)
	defer cancel()
	for {
		differences, err := c.differences(ctx)
		if err == nil && len(differences) == 0 {
			return
		}
		select {
		case <-ctx.Done():
			c.note("stores", errors.Join(err, errors.New(strings.Join(differences, "; "))))
			return
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (c *churn) differences(ctx context.Context) ([]string, error) {
	var differences []string
	for _, kind := range churnKinds {
		expected, err := c.list(ctx, kind)
		if err != nil {
			return nil, err
		}
		for _, informer := range c.summary.Informers {
			if informer.Kind != kind.resource.Resource {
				continue
			}
			difference, err := informer.difference(expected)
			if err != nil {
				return nil, err
			}
			informer.InSync = difference == ""
			if difference != "" {
				differences = append(differences, informer.title()+": "+difference)
			}
		}
	}
	return differences, nil
}

// firstDifference names an object by which two states of a kind differ.
func firstDifference(expected, found map[string]string) string {
	for name, text := range expected {
		if found[name] != text {
			return fmt.Sprintf("%s is %s and not %s", name, found[name], text)
		}
	}
	for name := range found {
		if _, known := expected[name]; !known {
			return name + " was deleted"
		}
	}
	return ""
}

// churnLog keeps what client-go complains of; what it could not read is an error.
type churnLog struct{ churn *churn }

func (l churnLog) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	if strings.Contains(text, "decode") {
		l.churn.note("client-go", errors.New(text))
	}
	l.churn.mu.Lock()
	defer l.churn.mu.Unlock()
	if len(l.churn.summary.Log) < churnLogLines {
		l.churn.summary.Log = append(l.churn.summary.Log, text)
	}
	return len(line), nil
}

// churnWriter is the only one who writes these objects, the status of Deployments excepted.
type churnWriter struct {
	churn *churn
	alive map[string][]string // names by kind
	count int
}

func newChurnWriter(c *churn) *churnWriter {
	for _, kind := range churnKinds {
		c.summary.Writes[kind.resource.Resource] = map[string]int{"create": 0, "update": 0, "delete": 0}
	}
	return &churnWriter{churn: c, alive: map[string][]string{}}
}

func (w *churnWriter) writeFor(ctx context.Context, duration time.Duration, rate int) error {
	ticker := time.NewTicker(time.Second / time.Duration(rate))
	defer ticker.Stop()
	for end := time.Now().Add(duration); time.Now().Before(end); <-ticker.C {
		if err := w.write(ctx); err != nil {
			return err
		}
	}
	return nil
}

// write makes one change: of five, one creates, one deletes and three update, as far as there is
// room. The order is the same in every run.
func (w *churnWriter) write(ctx context.Context) error {
	kind := churnKinds[w.count%len(churnKinds)]
	turn := w.count / len(churnKinds)
	w.count++
	resource := kind.resource.Resource
	names := w.alive[resource]
	client := w.churn.direct.Resource(kind.resource).Namespace(w.churn.namespace)
	value := fmt.Sprintf("CaNaRy-%s-%d", resource, w.count)
	switch {
	case len(names) < 5 || turn%5 == 0 && len(names) < churnNames:
		name := fmt.Sprintf("churned-%d", turn)
		object, err := kind.object(name, value)
		if err != nil {
			return err
		}
		if _, err := client.Create(ctx, object, metav1.CreateOptions{}); err != nil {
			return err
		}
		w.alive[resource] = append(names, name)
		w.churn.summary.Writes[resource]["create"]++
	case turn%5 == 1:
		at := turn % len(names)
		if err := client.Delete(ctx, names[at], metav1.DeleteOptions{}); err != nil {
			return err
		}
		w.alive[resource] = slices.Delete(names, at, at+1)
		w.churn.summary.Writes[resource]["delete"]++
	default:
		name := names[turn%len(names)]
		if err := kind.update(ctx, client, name, value); err != nil {
			return fmt.Errorf("update of %s %s: %w", resource, name, err)
		}
		w.churn.summary.Writes[resource]["update"]++
	}
	return nil
}

// writeEnd makes the object that ends each follower.
func (w *churnWriter) writeEnd(ctx context.Context) error {
	for _, kind := range churnKinds {
		object, err := kind.object(churnEnd, "CaNaRy-end")
		if err != nil {
			return err
		}
		client := w.churn.direct.Resource(kind.resource).Namespace(w.churn.namespace)
		_, err = client.Create(ctx, object, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	return nil
}
