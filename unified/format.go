package unified

import (
	"maps"

	"github.com/mgxdb/mgx/bson"
)

// The shape of a test file, as the specification's section "Test Format" has it,
// up to format 1.28.

var (
	formatVersion = matching(`^[0-9]+(\.[0-9]+){1,2}$`)
	aLevel        = oneOf("emergency", "alert", "critical", "error", "warning", "notice", "info", "debug", "trace")
	aComponent    = oneOf("command", "topology", "serverSelection", "connection")
)

var theFile = document(fields{
	"description!":      aString,
	"schemaVersion!":    formatVersion,
	"runOnRequirements": someOf(theRequirement),
	"createEntities":    someOf(theEntity),
	"initialData":       someOf(theCollectionData),
	"tests!":            someOf(theTest),
	"_yamlAnchors":      aDocument,
})

var theRequirement = nonEmpty(document(fields{
	"minServerVersion": formatVersion,
	"maxServerVersion": formatVersion,
	"topologies":       someOf(oneOf("single", "replicaset", "sharded", "sharded-replicaset", "load-balanced")),
	"serverless":       oneOf("require", "forbid", "allow"),
	"serverParameters": nonEmpty(aDocument),
	"auth":             aBool,
	"authMechanism":    aString,
	"csfle":            either(aBool, nonEmpty(document(fields{"minLibmongocryptVersion": formatVersion}))),
}))

var theEntity = single(document(fields{
	"client": document(fields{
		"id!":                           aString,
		"uriOptions":                    aDocument,
		"useMultipleMongoses":           aBool,
		"observeEvents":                 someOf(oneOf(observable...)),
		"ignoreCommandMonitoringEvents": someOf(aString),
		"storeEventsAsEntities":         someOf(document(fields{"id!": aString, "events!": someOf(aString)})),
		"observeLogMessages": nonEmpty(document(fields{
			"command": aLevel, "topology": aLevel, "serverSelection": aLevel, "connection": aLevel,
		})),
		"observeTracingMessages":   document(fields{"enableCommandPayload": aBool}),
		"serverApi":                document(fields{"version!": aString, "strict": aBool, "deprecationErrors": aBool}),
		"observeSensitiveCommands": aBool,
		"autoEncryptOpts": document(fields{
			"keyVaultNamespace!": aString, "kmsProviders!": kmsProviders, "bypassAutoEncryption": aBool,
			"schemaMap": aDocument, "extraOptions": aDocument, "encryptedFieldsMap": aDocument,
			"bypassQueryAnalysis": aBool, "keyExpirationMS": anInteger,
		}),
		"awaitMinPoolSizeMS": anInteger,
	}),
	"clientEncryption": document(fields{
		"id!": aString,
		"clientEncryptionOpts!": document(fields{
			"keyVaultClient!": aString, "keyVaultNamespace!": aString, "kmsProviders!": kmsProviders, "keyExpirationMS": anInteger,
		}),
	}),
	"database": document(fields{
		"id!": aString, "client!": aString, "databaseName!": aString, "databaseOptions": handleOptions,
	}),
	"collection": document(fields{
		"id!": aString, "database!": aString, "collectionName!": aString, "collectionOptions": handleOptions,
	}),
	"session": document(fields{"id!": aString, "client!": aString, "sessionOptions": aDocument}),
	"bucket":  document(fields{"id!": aString, "database!": aString, "bucketOptions": aDocument}),
	"thread":  document(fields{"id!": aString}),
}))

var handleOptions = document(fields{
	"readConcern": aDocument, "readPreference": aDocument, "writeConcern": aDocument, "timeoutMS": anInteger,
})

var kmsProviders = func() rule {
	text := either(aString, document(fields{"$$placeholder!": anything}))
	provider := func(names ...string) rule {
		f := fields{}
		for _, name := range names {
			f[name] = text
		}
		return document(f)
	}
	return keyed(map[string]rule{
		`^aws(:[a-zA-Z0-9_]+)?$`:   provider("accessKeyId", "secretAccessKey", "sessionToken"),
		`^azure(:[a-zA-Z0-9_]+)?$`: provider("tenantId", "clientId", "clientSecret", "identityPlatformEndpoint", "accessToken"),
		`^gcp(:[a-zA-Z0-9_]+)?$`:   provider("email", "privateKey", "endpoint", "accessToken"),
		`^kmip(:[a-zA-Z0-9_]+)?$`:  provider("endpoint"),
		`^local(:[a-zA-Z0-9_]+)?$`: provider("key"),
	})
}()

var theCollectionData = document(fields{
	"collectionName!": aString, "databaseName!": aString, "documents!": listOf(aDocument),
	"createOptions": without(aDocument, []string{"writeConcern"}),
})

var theTest = document(fields{
	"description!":      aString,
	"runOnRequirements": someOf(theRequirement),
	"skipReason":        aString,
	"operations!":       listOf(theOperation),
	"expectEvents":      someOf(theEvents),
	"expectLogMessages": someOf(document(fields{
		"client!": aString, "messages!": listOf(theLogMessage), "ignoreMessages": listOf(theLogMessage), "ignoreExtraMessages": aBool,
	})),
	"expectTracingMessages": someOf(document(fields{
		"client!": aString, "ignoreExtraSpans": aBool, "spans!": someOf(theSpan),
	})),
	"outcome": someOf(theCollectionData),
})

var theLogMessage = document(fields{
	"level!": aLevel, "component!": aComponent, "data!": aDocument, "failureIsRedacted": aBool,
})

func theSpan(path string, v any) error {
	return document(fields{"name!": aString, "attributes!": aDocument, "nested": someOf(theSpan)})(path, v)
}

var theOperation = without(document(fields{
	"name!": aString, "object!": aString, "arguments": aDocument, "ignoreResultAndError": aBool,
	"expectError": theError, "expectResult": anything, "saveResultAsEntity": aString,
}),
	[]string{"expectError", "expectResult"},
	[]string{"expectError", "saveResultAsEntity"},
	[]string{"ignoreResultAndError", "expectResult"},
	[]string{"ignoreResultAndError", "expectError"},
	[]string{"ignoreResultAndError", "saveResultAsEntity"},
)

var theError = nonEmpty(document(fields{
	"isError": isTrue, "isClientError": aBool, "isTimeoutError": aBool,
	"errorContains": aString, "errorCode": anInteger, "errorCodeName": aString,
	"errorLabelsContain": someOf(aString), "errorLabelsOmit": someOf(aString),
	"writeErrors": aDocument, "writeConcernErrors": listOf(aDocument),
	"errorResponse": aDocument, "expectResult": anything,
}))

// theEvents are the events that a client is to have seen: of one kind.
func theEvents(path string, v any) error {
	f := fields{"client!": aString, "eventType": oneOf("command", "cmap", "sdam"), "events!": anything, "ignoreExtraEvents": aBool}
	if err := document(f)(path, v); err != nil {
		return err
	}
	d, _ := v.(bson.D)
	kind := get[string](d, "eventType")
	if kind == "" {
		kind = "command"
	}
	events, _ := lookup(d, "events")
	return listOf(single(document(eventsOf[kind])))(path+".events", events)
}

// anEvent is an event of any kind, for the operations that wait for one.
var anEvent = func() rule {
	all := fields{}
	for _, f := range eventsOf {
		maps.Copy(all, f)
	}
	return single(document(all))
}()

// eventsOf are the events of each kind with what can be asserted of them.
var eventsOf = map[string]fields{
	"command": {
		"commandStartedEvent":   commandEvent(fields{"command": aDocument}),
		"commandSucceededEvent": commandEvent(fields{"reply": aDocument}),
		"commandFailedEvent":    commandEvent(nil),
	},
	"cmap": {
		"poolCreatedEvent":                   document(nil),
		"poolReadyEvent":                     document(nil),
		"poolClearedEvent":                   document(fields{"hasServiceId": aBool, "interruptInUseConnections": aBool}),
		"poolClosedEvent":                    document(nil),
		"connectionCreatedEvent":             document(nil),
		"connectionReadyEvent":               document(nil),
		"connectionClosedEvent":              document(fields{"reason": aString}),
		"connectionCheckOutStartedEvent":     document(nil),
		"connectionCheckOutFailedEvent":      document(fields{"reason": aString}),
		"connectionCheckedOutEvent":          document(nil),
		"connectionCheckedInEvent":           document(nil),
		"connectionPendingResponseStarted":   document(nil),
		"connectionPendingResponseSucceeded": document(nil),
		"connectionPendingResponseFailed":    document(fields{"reason": aString}),
	},
	"sdam": {
		"serverDescriptionChangedEvent":   changed(oneOf("Standalone", "Mongos", "PossiblePrimary", "RSPrimary", "RSSecondary", "RSOther", "RSArbiter", "RSGhost", "LoadBalancer", "Unknown")),
		"topologyDescriptionChangedEvent": changed(oneOf("Single", "Unknown", "ReplicaSetNoPrimary", "ReplicaSetWithPrimary", "Sharded", "LoadBalanced")),
		"serverHeartbeatStartedEvent":     document(fields{"awaited": aBool}),
		"serverHeartbeatSucceededEvent":   document(fields{"awaited": aBool}),
		"serverHeartbeatFailedEvent":      document(fields{"awaited": aBool}),
		"topologyOpeningEvent":            document(nil),
		"topologyClosedEvent":             document(nil),
	},
}

// observable are the events that a client can be told to collect.
var observable = func() []string {
	var names []string
	for _, f := range eventsOf {
		for name := range f {
			names = append(names, name)
		}
	}
	return names
}()

func commandEvent(more fields) rule {
	f := fields{"commandName": aString, "databaseName": aString, "hasServiceId": aBool, "hasServerConnectionId": aBool}
	maps.Copy(f, more)
	return document(f)
}

func changed(kind rule) rule {
	description := document(fields{"type": kind})
	return document(fields{"previousDescription": description, "newDescription": description})
}
