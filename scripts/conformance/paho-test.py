# Runs one test of Paho's suite: FOLDER MODULE PORT TEST. Its own main reads the port in one module only.
import logging, sys, unittest

folder, module, port, test = sys.argv[1:]
sys.path.insert(0, folder)
suite = __import__(module)
suite.host, suite.port = "127.0.0.1", int(port)
suite.topics = ("TopicA", "TopicA/B", "Topic/C", "TopicA/C", "/TopicA")
suite.wildtopics = ("TopicA/+", "+/C", "#", "/#", "/+", "+/+", "TopicA/#")
suite.nosubscribe_topics = ("test/nosubscribe",)
suite.topic_prefix = "client_test5/"
logging.getLogger().setLevel(logging.ERROR)
# setData of the newer module would put its port back to where the command line left it: nowhere.
suite.setData = lambda: None
unittest.main(module=suite, argv=[module, "Test." + test], warnings="ignore")
