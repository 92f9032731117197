// kafkajs: topics, produce (plain and idempotent), consume, admin, groups, deletion.
//
//   client.js BOOTSTRAP [PART...]; without parts, all of them.

'use strict'

const assert = require('node:assert')
const { Kafka, CompressionTypes, logLevel, ConfigResourceTypes } = require('kafkajs')

const PARTITIONS = 4
const RECORDS = 20_000
const PATIENCE_MS = 60_000
// Of the part `steady`: enough that every shard of eight has some.
const STEADY_PARTITIONS = 16
const STEADY_MS = 4_000

const [bootstrap, ...wanted] = process.argv.slice(2)
const topic = `kafkajs-${process.pid}`
const firstMs = Date.now() - RECORDS
const kafka = new Kafka({ brokers: [bootstrap], clientId: 'tests', logLevel: logLevel.NOTHING })

async function withAdmin(use) {
  const admin = kafka.admin()
  await admin.connect()
  try {
    return await use(admin)
  } finally {
    await admin.disconnect()
  }
}

const sleep = (ms) => new Promise((done) => setTimeout(done, ms))

async function until(what, holds) {
  const end = Date.now() + PATIENCE_MS
  while (!(await holds())) {
    assert(Date.now() < end, `${what}: not in time`)
    await sleep(20)
  }
}

const refused = (type) => (error) => error.type === type || error.errors?.[0]?.type === type

async function topics() {
  await withAdmin(async (admin) => {
    const made = { topics: [{ topic, numPartitions: PARTITIONS }] }
    assert(await admin.createTopics(made))
    assert.equal(await admin.createTopics(made), false, 'created twice')
    assert((await admin.listTopics()).includes(topic))
    const found = await admin.fetchTopicMetadata({ topics: [topic] })
    assert.equal(found.topics[0].partitions.length, PARTITIONS)
    const cluster = await admin.describeCluster()
    assert(cluster.brokers.length === 1 && cluster.clusterId, JSON.stringify(cluster))
  })
}

const valueOf = (at) => (at % 100 === 13 ? null : `value ${at}`)

async function produce() {
  for (const [part, settings] of [{}, { idempotent: true, maxInFlightRequests: 1 }].entries()) {
    const sender = kafka.producer(settings)
    await sender.connect()
    for (let from = part; from < RECORDS; from += 1_000) {
      const messages = []
      for (let at = from; at < Math.min(from + 1_000, RECORDS); at += 2) {
        messages.push({
          partition: at % PARTITIONS,
          key: `key ${at}`,
          value: valueOf(at),
          timestamp: `${firstMs + at}`,
          headers: { number: `${at}` },
        })
      }
      const compression = from % 3_000 < 1_000 ? CompressionTypes.GZIP : CompressionTypes.None
      await sender.send({ topic, acks: -1, compression, messages })
    }
    await sender.disconnect()
  }
}

// A member that counts its partitions and keeps what it reads.
async function member(groupId, each, settings = {}) {
  const reader = kafka.consumer({
    groupId,
    sessionTimeout: 10_000,
    heartbeatInterval: 300,
    maxWaitTimeInMs: 200,
    ...settings,
  })
  const state = { reader, mine: [] }
  reader.on(reader.events.GROUP_JOIN, ({ payload }) => {
    state.mine = Object.values(payload.memberAssignment).flat()
  })
  await reader.connect()
  await reader.subscribe({ topics: [settings.topic ?? topic], fromBeginning: true })
  await reader.run({ eachMessage: each, autoCommit: false, partitionsConsumedConcurrently: 4 })
  state.end = () => reader.disconnect()
  return state
}

async function consume() {
  const seen = new Set()
  const next = {}
  let wrong
  const each = async ({ partition, message }) => {
    try {
      assert.equal(Number(message.offset), next[partition] ?? 0, 'a gap')
      next[partition] = Number(message.offset) + 1
      const at = Number(message.headers.number)
      assert.equal(`${message.key}`, `key ${at}`)
      assert.equal(message.value === null ? null : `${message.value}`, valueOf(at))
      assert.equal(Number(message.timestamp), firstMs + at)
      assert(!seen.has(at), 'twice')
      seen.add(at)
    } catch (error) {
      wrong ??= error
    }
  }
  const reader = await member(`${topic}-read`, each)
  await until('every record', () => wrong || seen.size === RECORDS)
  await reader.end()
  assert.ifError(wrong)
}

async function changes() {
  await withAdmin(async (admin) => {
    const resource = { type: ConfigResourceTypes.TOPIC, name: topic }
    const configEntries = [{ name: 'retention.ms', value: '3600000' }]
    await admin.alterConfigs({ resources: [{ ...resource, configEntries }] })
    const described = await admin.describeConfigs({ resources: [resource] })
    const entries = described.resources[0].configEntries
    const retention = entries.find((entry) => entry.configName === 'retention.ms')
    assert.equal(retention.configValue, '3600000')
    const places = await admin.fetchTopicOffsets(topic)
    assert(places.every(({ high }) => Number(high) === RECORDS / PARTITIONS), places)
    const late = await admin.fetchTopicOffsetsByTimestamp(topic, firstMs + 4)
    assert.equal(late.find((place) => place.partition === 0).offset, '1')
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '10' }] })
    const after = await admin.fetchTopicOffsets(topic)
    assert.equal(after.find((place) => place.partition === 0).low, '10')
    const wide = `${topic}-wide`
    await admin.createTopics({ topics: [{ topic: wide, numPartitions: 1 }] })
    await admin.createPartitions({ topicPartitions: [{ topic: wide, count: 6 }] })
    const grown = await admin.fetchTopicMetadata({ topics: [wide] })
    assert.equal(grown.topics[0].partitions.length, 6)
  })
}

async function groups() {
  const groupId = `${topic}-group`
  const available = RECORDS - 10 // `changes` has deleted ten
  let found = 0
  const ends = {}
  const one = await member(groupId, async ({ partition, message }) => {
    found += 1
    ends[partition] = Number(message.offset) + 1
  })
  await until('all records', () => found >= available)
  assert.equal(found, available)
  const committed = Object.entries(ends).map(([partition, offset]) => (
    { topic, partition: Number(partition), offset: `${offset}` }))
  await one.reader.commitOffsets(committed)
  await withAdmin(async (admin) => {
    const described = (await admin.describeGroups([groupId])).groups[0]
    assert(described.state === 'Stable' && described.members.length === 1, described)
  })
  await one.end()
  await withAdmin(async (admin) => {
    const [offsets] = await admin.fetchOffsets({ groupId, topics: [topic] })
    assert.equal(offsets.partitions.length, PARTITIONS)
    for (const place of offsets.partitions) {
      assert.equal(place.offset, `${RECORDS / PARTITIONS}`)
    }
    await admin.setOffsets({ groupId, topic, partitions: [{ partition: 1, offset: '7' }] })
    const [set] = await admin.fetchOffsets({ groupId, topics: [topic] })
    assert.equal(set.partitions.find((place) => place.partition === 1).offset, '7')
    const listed = (await admin.listGroups()).groups.filter((group) => group.groupId === groupId)
    assert.equal(listed.length, 1, 'not listed once')
    await admin.deleteGroups([groupId])
    await assert.rejects(admin.deleteGroups([groupId]), (error) => (
      error.groups?.[0]?.error?.type === 'GROUP_ID_NOT_FOUND'))
  })
}

// Every partition belongs to exactly one of them, and none has more than `most`.
async function settled(what, most, members) {
  await until(what, () => {
    const all = members.flatMap(({ mine }) => mine)
    return all.length === PARTITIONS && new Set(all).size === PARTITIONS
      && members.every(({ mine }) => mine.length > 0 && mine.length <= most)
  })
}

async function rebalance() {
  const group = `${topic}-two`
  const one = await member(group, async () => {})
  await settled('one has all', PARTITIONS, [one])
  const two = await member(group, async () => {})
  await settled('each has half', PARTITIONS / 2, [one, two])
  await two.end()
  await settled('one has all again', PARTITIONS, [one])
  await one.end()
}

// Rebalances that overlap: members come and go before the group has settled. (This client knows
// no static members.)
async function overlap() {
  const group = `${topic}-overlap`
  const stays = await member(group, async () => {})
  for (let round = 0; round < 3; round += 1) {
    const [passing, second] = await Promise.all([
      member(group, async () => {}),
      member(group, async () => {}),
    ])
    await passing.end()
    await settled(`round ${round}`, PARTITIONS / 2, [stays, second])
    await second.end()
  }
  await settled('one has all', PARTITIONS, [stays])
  await stays.end()
}

// Every partition in turn, one record a request, and a reader of all of them: where do the
// requests go? The broker's counters tell.
async function steady() {
  const steadyTopic = `${topic}-steady`
  await withAdmin((admin) => admin.createTopics({
    topics: [{ topic: steadyTopic, numPartitions: STEADY_PARTITIONS }],
  }))
  let read = 0
  const reader = await member(`${topic}-steady`, async () => { read += 1 }, { topic: steadyTopic })
  const sender = kafka.producer()
  await sender.connect()
  const end = Date.now() + STEADY_MS
  let sent = 0
  for (; Date.now() < end; sent += 1) {
    const messages = [{ partition: sent % STEADY_PARTITIONS, value: 'x' }]
    await sender.send({ topic: steadyTopic, acks: -1, messages })
  }
  await until('every record', () => read >= sent)
  assert.equal(read, sent)
  await sender.disconnect()
  await reader.end()
  console.log(`kafkajs: steady: ${sent} requests`)
}

async function deletion() {
  await withAdmin(async (admin) => {
    await admin.deleteTopics({ topics: [topic] })
    assert(!(await admin.listTopics()).includes(topic), 'still listed')
    await assert.rejects(admin.fetchTopicMetadata({ topics: [topic] }),
      refused('UNKNOWN_TOPIC_OR_PARTITION'))
  })
}

const PARTS = { topics, produce, consume, changes, groups, rebalance, overlap, steady, deletion }

async function main() {
  for (const [name, part] of Object.entries(PARTS)) {
    if (wanted.length > 0 && !wanted.includes(name)) {
      continue
    }
    try {
      await part()
    } catch (error) {
      console.error(error)
      console.error(`kafkajs: FAILED: ${name}`)
      process.exit(1)
    }
    console.log(`kafkajs: ${name}: ok`)
  }
  console.log('kafkajs: PASSED')
  process.exit(0)
}

main()
