package main

import (
	"context"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// The versions of old releases, among them those that no client of today sends by itself:
// Metadata 0, ApiVersions 1 and 2, AlterConfigs 0 and 2, OffsetForLeaderEpoch 2.
func older(within context.Context) {
	releases := []*kversion.Versions{
		kversion.V0_9_0(), kversion.V0_11_0(), kversion.V2_1_0(), kversion.V2_8_0(),
	}
	for _, release := range releases {
		client := client(kgo.MaxVersions(release))
		admin := kadm.NewClient(client)
		found := must(admin.Metadata(within, topic)).Topics[topic]
		check(found.Err == nil && len(found.Partitions) == partitions, release, found)
		if release.HasKey(int16(kmsg.AlterConfigs)) {
			hour := "3600000"
			set := []kadm.AlterConfig{{Name: "retention.ms", Value: &hour}}
			altered := must(admin.AlterTopicConfigsState(within, set, topic))
			check(altered[0].Err == nil, release, altered)
		}
		// Older ones than 2 are gone since Kafka 4.
		if newest, _ := release.LookupMaxKeyVersion(int16(kmsg.OffsetForLeaderEpoch)); newest >= 2 {
			var asked kadm.OffsetForLeaderEpochRequest
			asked.Add(topic, 0, 0)
			ends := must(admin.OffetForLeaderEpoch(within, asked))
			check(ends[topic][0].Err == nil, release, ends)
		}
		admin.Close()
	}
}
