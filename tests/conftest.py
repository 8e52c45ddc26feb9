from tests import support

plugin_folder = support.plugin_folder
words = support.words
