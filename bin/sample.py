#!/usr/bin/env python3
from agave_tf.commands.sample import main

main()
