import type { MonitorSources, RequestFields } from '../monitor/index.ts'

/** Whether a request to all servers means this one. Throws PETIOLE_BAD_REQUEST. */
export function concernsServer(
  sources: MonitorSources,
  cluster: string,
  fields: RequestFields,
): boolean {
  const { name, config } = sources.server()
  const isExact = fields.flag('exact_match')
  const fits = (asked: string, own: string): boolean =>
    asked === '' || (isExact ? own === asked : own.includes(asked))
  const domain = fields.text('domain')
  return (
    fits(fields.text('server_name'), name) &&
    fits(fields.text('host'), config.host) &&
    fits(fields.text('cluster'), cluster) &&
    fields.texts('tags').every((tag) => config.server_tags.includes(tag.toLowerCase())) &&
    (domain === '' || domain === config.jetstream.domain)
  )
}
