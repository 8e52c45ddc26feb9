from tests import support

plugin_folder = support.plugin_folder
words = support.words
tiny_bert = support.tiny_bert
