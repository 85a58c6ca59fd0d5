/**
 * Who is there and what is kept, as operators see it: on the wire, in `--json` and in tables. What is not known is
 * null, never 0. Times are ISO 8601, durations seconds.
 */
export interface ClientEntry {
  readonly account: string
  readonly client_id: string
  /** Of MQTT: 3.1, 3.1.1 or 5. */
  readonly version: string
  /** The id that `/connz` shows, and that the server's logs name. */
  readonly cid: number
  readonly user: string
  readonly ip: string
  readonly port: number
  readonly connected_at: string
  /** Since the last packet. */
  readonly idle_s: number
  readonly subscriptions: number
  readonly in_msgs: number
  readonly in_bytes: number
  readonly out_msgs: number
  readonly out_bytes: number
  readonly pending_bytes: number
}

/** A session that outlives its connections. */
export interface SessionEntry {
  readonly account: string
  readonly client_id: string
  readonly connected: boolean
  readonly created_at: string
  /** How long its client has been away; null: it is here. */
  readonly away_s: number | null
  /** How long that may be; null: for ever. */
  readonly expiry_s: number | null
  readonly subscriptions: number
  /** Sent and not acknowledged. */
  readonly inflight: number
  /** Messages that wait for the client. */
  readonly backlog_msgs: number
}

export interface RetainedEntry {
  readonly account: string
  readonly topic: string
  readonly bytes: number
  readonly qos: number
  readonly stored_at: string
  /** What is left of its time; null: it does not expire. */
  readonly expiry_s: number | null
}

/** Which part of a list is asked for. */
export interface PageQuery {
  /** undefined: of all accounts. */
  readonly account: string | undefined
  /** Of this client alone; '' for all. */
  readonly clientId: string
  /** Of topics that match this filter; '' for all. */
  readonly filter: string
  readonly offset: number
  readonly limit: number
  /** What the entries may come to as JSON. */
  readonly bytesMax: number
}

export interface Page<Entry> {
  readonly entries: readonly Entry[]
  /** How many there are without `offset` and `limit`; null where counting them would mean reading them. */
  readonly total: number | null
  /** The `offset` of those behind these; null: there are none. */
  readonly next: number | null
}

/** What the front door lets operators see and do. Methods that return a promise may wait for the disk. */
export interface MqttDirectory {
  clients(query: PageQuery): Page<ClientEntry>
  sessions(query: PageQuery): Page<SessionEntry>
  retained(query: PageQuery): Promise<Page<RetainedEntry>>
  /** Accounts in which a client of this id is connected, or has a session. */
  accountsOf(clientId: string): readonly string[]
  /** Ends its connection [MQTT-3.14.2, 0x98]; false: it has none. */
  kick(account: string, clientId: string): boolean
  /** Ends its connection and forgets its session; false: it has neither. */
  endSession(account: string, clientId: string): Promise<boolean>
  /** Throws PETIOLE_BAD_REQUEST for what is no topic, as a filter. */
  checkTopic(topic: string): void
  /** False: nothing is retained there. */
  removeRetained(account: string, topic: string): Promise<boolean>
}

/**
 * One page of a list, of which no more is made than is shown: `items` may be a hundred thousand. Who comes or
 * goes between two pages may be missed, or be there twice, as in `/connz`.
 * @param entryOf undefined: it is gone, and not shown
 * @param isLate the page has taken long enough, and ends here when it shows anything
 */
export function takePage<Item, Entry>(
  items: Iterable<Item>,
  query: PageQuery,
  entryOf: (item: Item) => Entry | undefined,
  isLate: () => boolean = () => false,
): Page<Entry> {
  const { offset, limit, bytesMax } = query
  const entries: Entry[] = []
  let total = 0
  let bytes = 0
  let next = -1
  for (const item of items) {
    const at = total++
    if (at < offset || next >= 0) continue
    if (entries.length >= limit || (entries.length > 0 && isLate())) {
      next = at
      continue
    }
    const entry = entryOf(item)
    if (entry === undefined) continue
    bytes += Buffer.byteLength(JSON.stringify(entry)) + 1
    // One that is too large by itself is shown alone: who asks for the next page must come further.
    if (bytes > bytesMax && entries.length > 0) next = at
    else entries.push(entry)
  }
  return { entries, total, next: next < 0 ? null : next }
}
