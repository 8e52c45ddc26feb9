from tests import support

plugin_folder = support.plugin_folder
words = support.words
tiny_bert = support.tiny_bert
s3 = support.s3
bucket = support.bucket
