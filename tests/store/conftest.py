from tests import support

s3 = support.s3
bucket = support.bucket
plugin_folder = support.plugin_folder
words = support.words
