/** The topics under `$SYS/broker` that dashboards for MQTT brokers show. */
export {
  type CountedClient,
  FigureBook,
  type FigureBookParts,
  type KeptFigures,
} from './figure-book.ts'
export type { BrokerFigures, ProcessFigures } from './figures.ts'
export { LoadAverages } from './load-averages.ts'
export { type FigureSource, type SysMessage, SysTopics, type SysTopicsParts } from './sys-topics.ts'
